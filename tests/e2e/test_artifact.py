"""What `sam build` made is whole: it imports without anything of this project's environment."""

import subprocess
import sys

import pytest

from local import deploy
from tests.template import resources

HANDLERS = sorted(
    each["Properties"]["Handler"].rpartition(".")[0] for each in resources("AWS::Serverless::Function").values()
)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    (built,) = [path for path in deploy.build().iterdir() if path.is_dir()]
    return built


def test_one_artifact_serves_all_functions(artifact):
    assert (artifact / "handlers").is_dir()


@pytest.mark.parametrize("module", HANDLERS)
def test_a_handler_imports_from_the_artifact_alone(artifact, module):
    """-I and -S: neither this environment's packages nor the project's folder can help out."""
    code = f"import sys; sys.path.insert(0, sys.argv[1]); import boto3, {module}; print(boto3.__file__)"
    command = [sys.executable, "-I", "-S", "-c", code, str(artifact)]
    environment = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(artifact))
