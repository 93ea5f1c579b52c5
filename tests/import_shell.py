"""The import command in this process, its clients those of hosted meshes."""

import json
from pathlib import Path

from meshift.command import main
from tests.hosted_mesh import URL

APPS = Path(__file__).parent / "data" / "apps-mesh.yaml"
TEMPLATE = [str(APPS), "--parameter", "Domain=apps.local"]
OTHER = "https://other.lambda-url.us-east-1.on.aws"


class Shell:
    """Run the command in this process, its clients those of hosted meshes by URL."""

    def __init__(self, capsys, clients):
        self.capsys = capsys
        self.clients = clients
        self.signed = []

    def __call__(self, *arguments, code=0):
        """Run it; give back what it printed, after checking its exit code."""
        environment = {"AWS_ENDPOINT_URL_APP_MESH": URL}
        assert main(["import", *arguments], connect=self.connect, environment=environment) == code
        self.out, self.err = self.capsys.readouterr()
        return self.out

    def connect(self, url, signing_name, region, profile):
        self.signed.append((url, signing_name, region, profile))
        return self.clients[url]

    def plan(self, *arguments, code=0):
        """Run it for machines; give back the plan and, by resource, what became of it."""
        document = json.loads(self(*arguments, "--json", code=code))
        names = {"/".join([*entry["names"].values()][1:]): entry for entry in document["resources"]}
        return document["summary"], names
