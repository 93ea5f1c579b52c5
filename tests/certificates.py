"""A certificate and its key, made when first asked for: Envoy reads the files that a mesh names."""

import atexit
import datetime
import shutil
import tempfile
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAME = "serviceb.apps.local"


@cache
def certificate() -> tuple[str, str]:
    """The paths of a self-signed certificate for `NAME` and of its key; they go when the tests end."""
    folder = Path(tempfile.mkdtemp(prefix="meshift-certificate-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "certificate.pem", folder / "key.pem"
    chain.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(chain), str(private)


def own_certificate() -> dict[str, str]:
    """It, as App Mesh names the files of a listener's or caller's own certificate."""
    chain, private = certificate()
    return {"certificateChain": chain, "privateKey": private}


def trust() -> dict[str, str]:
    """It, as App Mesh names the file of whom to trust."""
    return {"certificateChain": certificate()[0]}
