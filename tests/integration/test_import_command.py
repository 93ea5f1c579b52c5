"""The import command's usage errors, connections and signatures."""

import pytest
from botocore.exceptions import EndpointConnectionError

from meshift.command import main
from meshift.importing.target import connect
from tests.hosted_mesh import URL
from tests.import_shell import APPS, TEMPLATE, Shell


@pytest.fixture
def shell(hosted, capsys):
    return Shell(capsys, {URL: hosted.client()})


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


USAGE = [
    ([], "give either files or --endpoint URL as the source"),
    ([str(APPS), "--endpoint", URL, "--mesh", "apps"], "give either files or --endpoint URL as the source"),
    (["--endpoint", URL], "--endpoint and --mesh belong together"),
    ([str(APPS), "--mesh", "apps"], "--endpoint and --mesh belong together"),
    (["--endpoint", URL, "--mesh", "apps", "--parameter", "A=b"], "--parameter and --export are for templates"),
    (["--endpoint", URL, "--mesh", "nowhere"], "nowhere does not exist"),
    (["none.yaml"], "none.yaml cannot be read: No such file or directory"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE)
def test_usage_and_bad_input_are_one_line_and_exit_code_2(shell, arguments, message):
    shell(*arguments, code=2)
    assert message in shell.err
    assert shell.err.startswith("meshift import: ")
    assert shell.err.count("\n") == 1


def test_a_template_without_app_mesh_is_bad_input(shell, tmp_path):
    file = tmp_path / "empty.yaml"
    file.write_text("Resources: {Topic: {Type: AWS::SNS::Topic}}")
    shell(str(file), code=2)
    assert "no AWS::AppMesh resource in it" in shell.err


def test_without_a_target_nothing_is_asked_of_aws(capsys):
    assert main(["import", str(APPS)], connect=lambda *_: pytest.fail("no client is needed"), environment={}) == 2
    assert "no target: give --to URL or set AWS_ENDPOINT_URL_APP_MESH" in capsys.readouterr().err


CONNECTIONS = [
    (["--to", "apps"], "Invalid endpoint: apps"),
    (["--to", URL, "--to-profile", "nobody"], "The config profile (nobody) could not be found"),
    (["--to", URL, "--region", "not a region"], "'not a region' doesn't match a supported format"),
]


@pytest.mark.parametrize(("arguments", "message"), CONNECTIONS)
def test_a_target_that_makes_no_sense_is_bad_input(capsys, arguments, message):
    assert main(["import", str(APPS), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_an_endpoint_that_is_down_is_one_line_and_exit_code_1(shell):
    def refuse(**_):
        raise EndpointConnectionError(endpoint_url=URL)

    shell.clients[URL].meta.events.register_first("before-call.app-mesh", refuse)
    shell(*TEMPLATE, code=1)
    assert shell.err == f'meshift import: Could not connect to the endpoint URL: "{URL}"\n'


def test_help_and_unknown_options_leave_as_argparse_does(capsys):
    with pytest.raises(SystemExit) as left:
        main(["import", "--help"])
    assert left.value.code == 0
    assert "exit codes: 0 done" in capsys.readouterr().out
    with pytest.raises(SystemExit) as left:
        main(["import", str(APPS), "--parameter", "Domain"])
    assert left.value.code == 2


@pytest.mark.parametrize("name", ["lambda", "appmesh", "execute-api"])
def test_requests_are_signed_for_the_service_that_stands_in_front(name):
    client = connect(URL, name, "us-east-1", None)
    scopes = []
    client.meta.events.register("before-send.app-mesh", lambda request, **_: scopes.append(request.headers) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        client.list_meshes()
    assert f"/us-east-1/{name}/aws4_request" in scopes[0]["Authorization"].decode()
    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 8}
