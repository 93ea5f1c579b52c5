import json
import re
import subprocess

import pytest

from domain.bootstrap import Ports, bootstrap, command, is_healthy
from domain.errors import InvalidSetting
from tests.envoy_static import ENVOY

NODE = "arn:aws:appmesh:us-east-1:111111111111:mesh/apps/virtualNode/serviceBv2"
URL = "https://discovery.example/"


def document(url=URL, **more):
    return json.loads(bootstrap(NODE, url, "lambda", "us-east-1", 7, **more))


def discovery_cluster(**more):
    (found,) = [each for each in document(**more)["static_resources"]["clusters"] if each["name"] == "xds"]
    return found


def filters(**more):
    (options,) = discovery_cluster(**more)["typed_extension_protocol_options"].values()
    return options["http_filters"]


@pytest.mark.parametrize("url", [URL, "http://127.0.0.1:8080/"])
@pytest.mark.parametrize("compress", [False, True])
def test_envoy_itself_accepts_the_bootstrap(url, compress, tmp_path):
    path = tmp_path / "bootstrap.json"
    path.write_text(bootstrap(NODE, url, "lambda", "us-east-1", 5, "proxy", compress=compress))
    done = subprocess.run([ENVOY, "--mode", "validate", "-c", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_bootstrap_says_for_which_node_it_polls_and_how():
    node = document(interception="proxy", ports=Ports(15002, 15003, 9902))["node"]
    assert node["cluster"] == "mesh/apps/virtualNode/serviceBv2"
    assert node["metadata"] == {
        "mesh": "apps",
        "meshOwner": "111111111111",
        "resource": "virtualNode/serviceBv2",
        "interception": "proxy",
        "pollSeconds": 7,
        "inboundPort": 15002,
        "outboundPort": 15003,
    }


def test_clusters_and_listeners_are_polled_as_often_as_asked_and_start_within_a_second():
    dynamic = document()["dynamic_resources"]
    for name, first in (("cds_config", "0.05s"), ("lds_config", "0s")):
        assert dynamic[name]["api_config_source"]["refresh_delay"] == "7s"
        assert dynamic[name]["initial_fetch_timeout"] == first


def test_envoy_takes_regular_expressions_of_any_size():
    (layer,) = document()["layered_runtime"]["layers"]
    assert layer["static_layer"] == {"re2.max_program_size.error_level": 2**32 - 1}


def test_polls_are_signed_with_the_containers_credentials_and_no_others():
    signing, codec = filters()
    config = signing["typed_config"]
    assert (config["service_name"], config["region"], config["host_rewrite"]) == (
        "lambda",
        "us-east-1",
        "discovery.example",
    )
    assert config["credential_provider"] == {
        "custom_credential_provider_chain": True,
        "container_credential_provider": {},
    }
    assert codec["name"] == "envoy.filters.http.upstream_codec"


def test_what_is_compressed_is_compressed_before_it_is_signed():
    names = [each["name"].rpartition(".")[2] for each in filters(compress=True)]
    assert names == ["compressor", "aws_request_signing", "upstream_codec"]


def test_the_url_is_verified_by_its_name():
    cluster = discovery_cluster()
    tls = cluster["transport_socket"]["typed_config"]
    (name,) = tls["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"]
    assert (tls["sni"], name["san_type"], name["matcher"]["exact"]) == ("discovery.example", "DNS", "discovery.example")
    assert cluster["type"] == "LOGICAL_DNS"
    assert "transport_socket" not in discovery_cluster(url="http://127.0.0.1:8080/")


def test_the_admin_interface_listens_on_loopback_only():
    address = document()["admin"]["address"]["socket_address"]
    assert address == {"address": "127.0.0.1", "port_value": 9901}
    assert "/dev/tcp/127.0.0.1/9901" in is_healthy()


def test_statistics_carry_mesh_and_node():
    tags = {each["tag_name"]: each["fixed_value"] for each in document()["stats_config"]["stats_tags"]}
    assert tags == {"appmesh.mesh": "apps", "appmesh.virtual_node": "serviceBv2"}


def test_every_task_has_an_id_of_its_own(tmp_path):
    """Run by bash as the container runs it; only Envoy is another."""
    stand_in = tmp_path / "envoy"
    stand_in.write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    stand_in.chmod(0o755)
    text = bootstrap(NODE, URL, "lambda", "us-east-1", 5)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/0123-4567",
    }
    done = subprocess.run(command(text), capture_output=True, text=True, env=environment, check=True)
    wanted = ["--config-yaml", text, "--service-node", "mesh/apps/virtualNode/serviceBv2/0123-4567"]
    assert done.stdout.splitlines() == wanted


@pytest.mark.parametrize("url", ["discovery.example", "ftp://x/", "https://", "https://discovery.example/path"])
def test_a_discovery_endpoint_that_is_no_url_is_refused(url):
    with pytest.raises(InvalidSetting, match=re.escape(repr(url))):
        bootstrap(NODE, url, "lambda", "us-east-1", 5)
