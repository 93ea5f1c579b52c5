"""The real Envoy takes what a mesh is translated into."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from domain.access_log_formats import WITH_OR_WITHOUT, WITHOUT_PARAMETER
from domain.discovery.configuration import Instance, Options, cloud_map_queries, configuration
from tests.discovery_cases import cases, told
from tests.discovery_goldens import GOLDENS
from tests.discovery_goldens import told as told_of_tutorial
from tests.envoy_static import complaint, static_bootstrap, with_log, with_route
from tests.envoy_tastes import REFUSED, REFUSED_FORMATS, TAKEN, TAKEN_FORMATS
from tests.legal_meshes import meshes

MODES = [Options("transparent", "us-east-1"), Options("proxy", "cn-north-1")]
INSTANCES = st.lists(
    st.builds(
        Instance,
        st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1", "some.host"]),
        st.sampled_from([None, 80, 31000]),
        st.booleans(),
        st.just({"a": "a", "b1": "b1"}),
    ),
    max_size=3,
)


@pytest.mark.parametrize("name", GOLDENS)
def test_envoy_takes_what_the_tutorials_envoys_are_told(name):
    assert complaint(static_bootstrap(told_of_tutorial(name))) is None


def test_envoy_takes_the_translation_of_every_kind_of_spec():
    found = []
    for view, path in cases().values():
        for mode in ("transparent", "proxy"):
            found.append(told(replace(view, name=f"m{len(found)}"), path, mode))
    wrong = complaint(static_bootstrap(*found))
    if wrong:
        wrong = {name: complaint(static_bootstrap(told(*case))) for name, case in cases().items()}
    assert not wrong


@pytest.mark.parametrize("pattern", REFUSED)
def test_envoy_refuses_the_regular_expressions_that_the_mesh_api_refuses(pattern):
    assert complaint(with_route(headers=[{"name": "n", "match": {"regex": pattern}}])) is not None


def test_envoy_takes_the_regular_expressions_that_the_mesh_api_takes():
    for start in range(0, len(TAKEN), 10):
        headers = [{"name": "n", "match": {"regex": pattern}} for pattern in TAKEN[start : start + 10]]
        assert complaint(with_route(headers=headers)) is None


@pytest.mark.parametrize("text", REFUSED_FORMATS)
def test_envoy_refuses_the_log_formats_that_the_mesh_api_refuses(text):
    assert complaint(with_log(text)) is not None


def test_envoy_knows_every_command_of_log_formats():
    known = [f"%{name}%" for name in sorted(WITHOUT_PARAMETER | WITH_OR_WITHOUT)]
    assert complaint(with_log(" ".join([*known, *TAKEN_FORMATS]))) is None


# No shrinking: each try is a run of Envoy, and what it complains of says which field it is.
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(meshes(), st.data())
def test_envoy_refuses_nothing_that_a_legal_mesh_is_translated_into(mesh, data):
    found = []
    for path in sorted(mesh.resources):
        if path.count("/") == 1 and path.startswith(("virtualNode/", "virtualGateway/")):
            for options in MODES:
                view = replace(mesh, name=f"m{len(found)}")
                instances = {query: data.draw(INSTANCES) for query in cloud_map_queries(view, path)}
                found.append(configuration(view, path, options, instances))
    assert complaint(static_bootstrap(*found)) is None
