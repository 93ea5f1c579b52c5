"""TLS between Envoys: what a listener shows, and what a caller checks.

Source: App Mesh user guide, "Transport Layer Security", "How App Mesh configures Envoys to negotiate TLS". Certificates
come from files or over SDS; ACM's have no way to an Envoy that is not AWS's.
"""

from collections.abc import Mapping
from typing import Any

from domain.discovery.endpoints import is_ip
from domain.discovery.xds import EXTENSIONS, Resource
from domain.errors import Untranslatable

Spec = Mapping[str, Any]
SDS_CLUSTER = "sds"
"""Envoy takes secrets from clusters of its bootstrap only: this one, a Unix domain socket beside it (gRPC)."""
LONGEST_SNI = 255
ALPN = {"http": ["http/1.1"], "http2": ["h2", "http/1.1"], "grpc": ["h2"]}


def listener_tls(listener: Spec, where: str) -> Resource | None:
    """Write the transport socket that a listener accepts TLS with, or None when it does not.

    Raises Untranslatable when its certificate is ACM's.
    """
    tls = listener.get("tls")
    if not tls or tls["mode"] == "DISABLED":
        return None
    common = certificates(tls["certificate"], f"{where}.tls.certificate")
    protocol = listener["portMapping"]["protocol"]
    if protocol in ALPN:
        common["alpn_protocols"] = ["h2", "http/1.1"]
    context: Resource = {"common_tls_context": common}
    if "validation" in tls:
        names = tls["validation"].get("subjectAlternativeNames", {}).get("match", {}).get("exact", ())
        common |= validation(tls["validation"]["trust"], names, f"{where}.tls.validation.trust")
        context["require_client_certificate"] = True
    return transport_socket("DownstreamTlsContext", context)


def caller_tls(policy: Spec | None, listener: Spec, host: str, where: str) -> Resource | None:
    """Write the transport socket that a caller speaks TLS with to a virtual node's listener, or None when it does not.

    A policy that is enforced and meant for the port decides, and it validates. Otherwise the listener does: TLS is
    spoken where it is taken, and the certificate is not looked at. Raises Untranslatable when trust is ACM's.
    """
    port = listener["portMapping"]["port"]
    enforced = policy is not None and policy.get("enforce", True) and port in (policy.get("ports") or [port])
    taken = listener.get("tls", {}).get("mode", "DISABLED") != "DISABLED"
    if not enforced and not taken:
        return None
    common: Resource = {}
    if policy and "certificate" in policy:
        common |= certificates(policy["certificate"], f"{where}.certificate")
    if policy and enforced:
        names = policy["validation"].get("subjectAlternativeNames", {}).get("match", {}).get("exact") or [host]
        common |= validation(policy["validation"]["trust"], [name for name in names if name], f"{where}.validation")
    alpn = ALPN.get(listener["portMapping"]["protocol"])
    if alpn:
        common["alpn_protocols"] = alpn
    context: Resource = {"common_tls_context": common}
    if host and not is_ip(host) and len(host.encode()) <= LONGEST_SNI:
        context["sni"] = host
    return transport_socket("UpstreamTlsContext", context)


def transport_socket(kind: str, context: Resource) -> Resource:
    config = {"@type": f"{EXTENSIONS}.transport_sockets.tls.v3.{kind}", **context}
    return {"name": "envoy.transport_sockets.tls", "typed_config": config}


def certificates(certificate: Spec, where: str) -> Resource:
    """The part of a TLS context that says where the own certificate is."""
    if "file" in certificate:
        files = certificate["file"]
        pair = {
            "certificate_chain": {"filename": files["certificateChain"]},
            "private_key": {"filename": files["privateKey"]},
        }
        return {"tls_certificates": [pair]}
    if "sds" in certificate:
        return {"tls_certificate_sds_secret_configs": [secret(certificate["sds"]["secretName"])]}
    raise Untranslatable(f"{where}.acm: Envoy cannot get ACM's certificates; use file or sds")


def validation(trust: Spec, names: list[str], where: str) -> Resource:
    """The part of a TLS context that says whom to trust, and by which names."""
    matchers = [{"san_type": san_type(name), "matcher": {"exact": name}} for name in names]
    named: Resource = {"match_typed_subject_alt_names": matchers} if matchers else {}
    if "file" in trust:
        return {"validation_context": {"trusted_ca": {"filename": trust["file"]["certificateChain"]}, **named}}
    if "sds" in trust:
        by_sds = secret(trust["sds"]["secretName"])
        return {
            "combined_validation_context": {
                "default_validation_context": named,
                "validation_context_sds_secret_config": by_sds,
            }
        }
    raise Untranslatable(f"{where}.acm: Envoy cannot get ACM's certificate authorities; use file or sds")


def secret(name: str) -> Resource:
    source = {
        "resource_api_version": "V3",
        "api_config_source": {
            "api_type": "GRPC",
            "transport_api_version": "V3",
            "grpc_services": [{"envoy_grpc": {"cluster_name": SDS_CLUSTER}}],
        },
    }
    return {"name": name, "sds_config": source}


def san_type(name: str) -> str:
    """Say what kind of name a certificate is asked for.

    >>> san_type("spiffe://apps.local/serviceb"), san_type("serviceb.apps.local"), san_type("10.0.0.1")
    ('URI', 'DNS', 'IP_ADDRESS')
    """
    return "URI" if ":/" in name else "IP_ADDRESS" if is_ip(name) else "DNS"
