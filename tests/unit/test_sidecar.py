import copy
import json
import re

import pytest

from domain.bootstrap import bootstrap, command
from domain.enrolment import parse_enrolment
from domain.errors import InvalidSetting, Refused
from domain.sidecar import (
    DESCRIBED_ONLY,
    Sidecar,
    choose_image,
    envoy_image,
    inject,
    is_injected,
    listener_ports,
    remove,
)
from tests.shapes import TAGS, task_definition
from tests.task_definitions import load
from tests.task_rules import described_only

ENROLMENT = parse_enrolment(TAGS, "serviceBv2")
NODE = "arn:aws:appmesh:us-east-1:111111111111:mesh/apps/virtualNode/serviceBv2"
SIDECAR = Sidecar("envoy:1", NODE, (80, 8080))
BOOTSTRAP = bootstrap(NODE, "https://discovery.example/", "lambda", "us-east-1", 5)


def injected(**changes):
    return inject(task_definition(**changes), ENROLMENT, SIDECAR)


def test_envoy_is_added_beside_the_application():
    result = injected()
    assert result.added
    envoy = result.task_definition["containerDefinitions"][-1]
    assert (envoy["name"], envoy["image"], envoy["user"], envoy["essential"]) == ("envoy", "envoy:1", "1337", True)
    assert {"name": "APPMESH_RESOURCE_ARN", "value": NODE} in envoy["environment"]


def test_the_application_waits_for_a_healthy_envoy_and_keeps_what_it_waited_for():
    bare = task_definition()
    bare["containerDefinitions"][0]["dependsOn"] = [{"containerName": "init", "condition": "SUCCESS"}]
    bare["containerDefinitions"].append({"name": "init", "image": "init", "essential": False})
    result = inject(bare, ENROLMENT, SIDECAR).task_definition
    assert result["containerDefinitions"][0]["dependsOn"] == [
        {"containerName": "init", "condition": "SUCCESS"},
        {"containerName": "envoy", "condition": "HEALTHY"},
    ]


def test_traffic_is_redirected_to_envoy_with_lists_that_hold_no_spaces():
    proxy = injected().task_definition["proxyConfiguration"]
    properties = {each["name"]: each["value"] for each in proxy["properties"]}
    assert (proxy["type"], proxy["containerName"]) == ("APPMESH", "envoy")
    assert properties["AppPorts"] == "80,8080"
    assert not any(" " in value for value in properties.values())


def test_everything_foreign_comes_back_equal():
    before = task_definition(fieldOfTheFuture={"a": [1, None]})
    untouched = copy.deepcopy(before)
    after = inject(before, ENROLMENT, SIDECAR).task_definition
    assert before == untouched
    after.pop("proxyConfiguration")
    after["containerDefinitions"].pop()
    after["containerDefinitions"][0].pop("dependsOn")
    assert after == before


def test_injecting_twice_changes_nothing_even_after_ecs_added_its_empty_fields():
    once = injected().task_definition
    for container in once["containerDefinitions"]:
        container.setdefault("mountPoints", [])
        container.setdefault("volumesFrom", [])
    once["proxyConfiguration"]["properties"].reverse()
    again = inject(once, ENROLMENT, SIDECAR)
    assert not again.added
    assert again.task_definition == once


def test_another_image_is_exactly_that_change():
    once = injected().task_definition
    newer = inject(once, ENROLMENT, Sidecar("envoy:2", NODE, (80, 8080)))
    assert newer.added
    once["containerDefinitions"][-1]["image"] = "envoy:2"
    assert newer.task_definition == once


def test_envoys_logs_go_where_the_applications_go():
    envoy = injected().task_definition["containerDefinitions"][-1]
    assert envoy["logConfiguration"]["options"]["awslogs-group"] == "/apps"


APP = task_definition()["containerDefinitions"][0]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"networkMode": "host"}, "networkMode host"),
        ({"networkMode": "bridge"}, "networkMode bridge"),
        ({"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}}, "WINDOWS_SERVER_2022_CORE"),
        ({"requiresCompatibilities": ["EXTERNAL"]}, "ECS Anywhere"),
        ({"containerDefinitions": [APP, {**APP, "name": "envoy"}]}, "a container envoy that Meshift did not put there"),
        (
            {"proxyConfiguration": {"type": "APPMESH", "containerName": "proxy"}},
            "a proxyConfiguration that Meshift did not",
        ),
        (
            {"containerDefinitions": [APP, {**APP, "name": "admin"}]},
            "2 essential containers with a port (of app, admin)",
        ),
        ({"containerDefinitions": [{**APP, "portMappings": []}]}, "no essential container with a port"),
        (
            {"cpu": "16384", "memory": "122880", "containerDefinitions": [{**APP, "memory": 122880}]},
            "Fargate's largest",
        ),
    ],
)
def test_a_task_definition_that_cannot_have_envoy_is_refused_with_the_reason(changes, says):
    with pytest.raises(Refused, match=re.escape(says)):
        injected(**changes)


def test_a_task_definition_without_a_network_mode_is_in_bridge_mode():
    bare = task_definition()
    del bare["networkMode"]
    with pytest.raises(Refused, match="bridge"):
        inject(bare, ENROLMENT, SIDECAR)


def test_the_tag_names_the_application_among_several_containers_and_what_is_not_essential_does_not_wait():
    enrolment = parse_enrolment({**TAGS, "meshift:container": "admin"}, "serviceBv2")
    small = {**APP, "memory": 100}
    several = [small, {**small, "name": "admin"}, {**small, "name": "agent", "essential": False}]
    injection = inject(task_definition(containerDefinitions=several), enrolment, SIDECAR)
    containers = injection.task_definition["containerDefinitions"]
    assert injection.container == "admin"
    assert [("dependsOn" in each) for each in containers] == [True, True, False, False]


def test_a_container_that_does_not_exist_is_refused():
    enrolment = parse_enrolment({**TAGS, "meshift:container": "web"}, "serviceBv2")
    with pytest.raises(Refused, match="'web' is no container of task definition serviceBv2; it has app"):
        inject(task_definition(), enrolment, SIDECAR)


def test_a_node_without_a_listener_is_refused():
    with pytest.raises(Refused, match="has no listener"):
        inject(task_definition(), ENROLMENT, Sidecar("envoy:1", NODE, ()))


def test_a_node_that_listens_on_a_port_of_envoys_is_refused():
    with pytest.raises(Refused, match="listens on 15001, which Envoy needs for outbound"):
        inject(task_definition(), ENROLMENT, Sidecar("envoy:1", NODE, (80, 15001)))


def test_ports_are_those_of_the_nodes_listeners():
    assert listener_ports({"spec": {"listeners": [{"portMapping": {"port": 80, "protocol": "http2"}}]}}) == (80,)


def test_a_raised_size_is_said():
    (note, *others) = injected(memory="1024", containerDefinitions=[{**APP, "memory": 1024}]).notes
    assert note == "the virtual node listens on 8080, and no container maps that port"
    assert others == [
        "the task's size was raised from 512 CPU units and 1024 MiB to 512 CPU units and 2048 MiB, to hold envoy too"
    ]


def test_a_size_that_a_person_set_after_injection_stays():
    once = injected(memory="1024", containerDefinitions=[{**APP, "memory": 1024}]).task_definition
    larger = {**once, "memory": "4096"}
    assert not inject(larger, ENROLMENT, SIDECAR).added
    assert remove(larger)["memory"] == "4096"
    assert remove(once)["memory"] == "1024"


def test_ports_that_a_person_let_pass_still_pass_after_an_upgrade():
    once = injected().task_definition
    once["proxyConfiguration"]["properties"].append({"name": "EgressIgnoredPorts", "value": "5432,22"})
    assert not inject(once, ENROLMENT, SIDECAR).added
    newer = inject(once, ENROLMENT, Sidecar("envoy:2", NODE, (80, 8080))).task_definition
    assert {"name": "EgressIgnoredPorts", "value": "5432,22"} in newer["proxyConfiguration"]["properties"]


def test_what_ecs_adds_to_envoys_container_is_no_reason_to_deploy_again():
    once = injected().task_definition
    once["containerDefinitions"][-1] |= {"cpu": 0, "mountPoints": [], "versionConsistency": "enabled"}
    once["containerDefinitions"][-1]["dockerLabels"]["scanned"] = "yes"
    assert not inject(once, ENROLMENT, SIDECAR).added


@pytest.mark.parametrize(
    ("key", "value"), [("image", "envoy:0"), ("user", "0"), ("healthCheck", None), ("essential", False)]
)
def test_what_a_person_changed_in_envoys_container_is_put_right(key, value):
    broken = injected().task_definition
    right = copy.deepcopy(broken)
    broken["containerDefinitions"][-1][key] = value
    assert inject(broken, ENROLMENT, SIDECAR).task_definition == right


def test_a_pipeline_that_dropped_the_wait_or_the_proxy_gets_it_back():
    right = injected().task_definition
    for change in (lambda td: td.pop("proxyConfiguration"), lambda td: td["containerDefinitions"][0].pop("dependsOn")):
        broken = copy.deepcopy(right)
        change(broken)
        assert inject(broken, ENROLMENT, SIDECAR).task_definition == right


def test_a_revision_is_known_by_what_was_registered_however_ecs_answers_it():
    once = injected()
    assert inject(once.task_definition, ENROLMENT, SIDECAR).digest == once.digest
    assert inject(once.task_definition, ENROLMENT, Sidecar("envoy:2", NODE, (80, 8080))).digest != once.digest


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"size": {"memory": 1}}',
        '{"size": 5, "waited": [], "empty": {"app": 1}, "environment": {"app": {"NO_PROXY": 1}}}',
        '{"adopted": {"container": {"name": "other"}}}',
        '{"adopted": {"container": {"name": "envoy"}, "index": "first"}}',
        '{"unheard of": {}}',
    ],
)
def test_a_record_that_somebody_spoiled_is_no_obstacle_to_removal(text):
    once = injected(memory="1024", containerDefinitions=[{**APP, "memory": 1024}]).task_definition
    once["containerDefinitions"][-1]["dockerLabels"]["meshift.undo"] = text
    bare = remove(once)
    assert [each["name"] for each in bare["containerDefinitions"]] == ["app"]
    assert (bare["memory"], "proxyConfiguration" in bare) == ("2048", False)


def test_the_record_is_of_exceptions_and_mostly_there_is_none():
    assert injected().task_definition["containerDefinitions"][-1]["dockerLabels"] == {"meshift.sidecar": "envoy"}
    larger = injected(memory="1024", containerDefinitions=[{**APP, "memory": 1024}]).task_definition
    record = larger["containerDefinitions"][-1]["dockerLabels"]["meshift.undo"]
    assert record == '{"size":{"memory":["1024","2048"]}}'


@pytest.mark.parametrize("text", ["80-x", "a-b", ""])
def test_a_port_range_that_is_none_is_no_port(text):
    odd = {**APP, "name": "odd", "portMappings": [{"containerPortRange": text, "hostPort": 1}]}
    assert injected(containerDefinitions=[{**APP, "memory": 256}, {**odd, "memory": 256}]).container == "app"


def test_with_interception_by_proxy_the_application_is_told_and_nothing_is_redirected():
    wanted = Sidecar("envoy:1", NODE, (), interception="proxy")
    after = inject(task_definition(), ENROLMENT, wanted).task_definition
    assert "proxyConfiguration" not in after
    assert after["containerDefinitions"][0]["environment"] == [
        {"name": "COLOUR", "value": "green"},
        {"name": "HTTP_PROXY", "value": "http://127.0.0.1:15001"},
        {"name": "http_proxy", "value": "http://127.0.0.1:15001"},
        {"name": "NO_PROXY", "value": "127.0.0.1,localhost,169.254.170.2,169.254.169.254"},
        {"name": "no_proxy", "value": "127.0.0.1,localhost,169.254.170.2,169.254.169.254"},
    ]
    assert remove(after) == task_definition()


def test_the_administration_of_aws_appmesh_envoy_is_on_a_socket_and_its_health_is_asked_there():
    envoy = injected().task_definition["containerDefinitions"][-1]
    assert {"name": "ENVOY_ADMIN_MODE", "value": "uds"} in envoy["environment"]
    assert "--unix-socket /tmp/envoy_admin.sock" in envoy["healthCheck"]["command"][1]


def test_metrics_and_segments_are_published_by_one_collector_that_is_not_redirected():
    wanted = Sidecar("envoy:1", NODE, (80,), metrics=True, tracing=True)
    envoy, collector = inject(task_definition(), ENROLMENT, wanted).task_definition["containerDefinitions"][-2:]
    environment = {each["name"]: each["value"] for each in collector["environment"]}
    configuration = json.loads(environment["AOT_CONFIG_CONTENT"])
    assert (collector["name"], collector["user"], collector["essential"]) == ("meshift-collector", "1337", False)
    assert set(configuration["service"]["pipelines"]) == {"metrics", "traces"}
    (scrape,) = configuration["receivers"]["prometheus"]["config"]["scrape_configs"]
    assert scrape["static_configs"] == [
        {"targets": ["127.0.0.1:9902"], "labels": {"mesh": "apps", "node": "serviceBv2"}}
    ]
    assert {"name": "ENABLE_ENVOY_XRAY_TRACING", "value": "1"} in envoy["environment"]


def test_upstream_envoys_statistics_are_read_from_its_administration():
    wanted = Sidecar("envoy:1", NODE, (80,), bootstrap=BOOTSTRAP, metrics=True)
    collector = inject(task_definition(), ENROLMENT, wanted).task_definition["containerDefinitions"][-1]
    assert "127.0.0.1:9901" in collector["environment"][0]["value"]
    configuration = json.loads(collector["environment"][0]["value"])
    (scrape,) = configuration["receivers"]["prometheus"]["config"]["scrape_configs"]
    kept, *relabelled = scrape["metric_relabel_configs"]
    name = "apps/virtualNode/serviceB/80/http2"
    assert re.fullmatch(kept["regex"], f"envoy_cluster_upstream_rq_completed;{name}")
    assert not re.fullmatch(kept["regex"], f"envoy_cluster_upstream_rq_total;{name}")
    assert not re.fullmatch(kept["regex"], "envoy_cluster_upstream_rq_completed;xds")
    called = [
        (each["target_label"], re.sub(each["regex"], each["replacement"].replace("$$", "\\"), name))
        for each in relabelled
    ]
    assert called == [("mesh", "apps"), ("node", "serviceB")]
    assert "awsxray" not in collector["environment"][0]["value"]


def test_upstream_envoys_latency_reaches_cloudwatch_as_native_histograms_and_differences():
    wanted = Sidecar("envoy:1", NODE, (80,), bootstrap=BOOTSTRAP, metrics=True)
    collector = inject(task_definition(), ENROLMENT, wanted).task_definition["containerDefinitions"][-1]
    configuration = json.loads(collector["environment"][0]["value"])
    (scrape,) = configuration["receivers"]["prometheus"]["config"]["scrape_configs"]
    (kept, *_) = scrape["metric_relabel_configs"]
    assert re.fullmatch(kept["regex"], "envoy_cluster_upstream_rq_time;apps/virtualNode/serviceB/80/http2")
    assert scrape["params"] == {"histogram_buckets": ["prometheusnative"]}
    assert (scrape["scrape_native_histograms"], scrape["scrape_protocols"]) == (True, ["PrometheusProto"])
    assert configuration["service"]["pipelines"]["metrics"]["processors"] == ["cumulativetodelta"]
    assert configuration["processors"]["cumulativetodelta"]["include"]["metrics"] == ["envoy_cluster_upstream_rq_time"]


def test_a_task_that_has_an_xray_daemon_gets_no_second_one():
    daemon = {"name": "xray-daemon", "image": "xray", "memory": 64, "essential": False}
    wanted = Sidecar("envoy:1", NODE, (80,), tracing=True)
    injection = inject(task_definition(containerDefinitions=[APP, daemon]), ENROLMENT, wanted)
    names = [each["name"] for each in injection.task_definition["containerDefinitions"]]
    assert names == ["app", "xray-daemon", "envoy"]
    assert injection.notes == ("the task receives X-Ray segments already, so Envoy's go there",)


def test_envoy_reserves_cpu_where_the_application_does():
    envoy = injected(containerDefinitions=[{**APP, "cpu": 256}]).task_definition["containerDefinitions"][-1]
    assert envoy["cpu"] == 64
    assert "cpu" not in injected().task_definition["containerDefinitions"][-1]


def test_patterns_for_the_applications_lines_are_not_for_envoys():
    options = {"awslogs-group": "/apps", "awslogs-region": "us-east-1", "awslogs-multiline-pattern": "^INFO"}
    logs = {"logDriver": "awslogs", "options": options}
    after = injected(containerDefinitions=[{**APP, "logConfiguration": logs}]).task_definition
    application, envoy = after["containerDefinitions"]
    assert application["logConfiguration"] == logs
    assert envoy["logConfiguration"]["options"] == {"awslogs-group": "/apps", "awslogs-region": "us-east-1"}


def test_a_hand_made_envoy_is_replaced_if_the_tag_says_so_and_comes_back():
    enrolment = parse_enrolment({**TAGS, "meshift:adopt": "true"}, "serviceBv2")
    before = load("hand-made-envoy")
    injection = inject(before, enrolment, SIDECAR)
    containers = {each["name"]: each for each in injection.task_definition["containerDefinitions"]}
    assert containers["envoy"]["image"] == "envoy:1"
    assert containers["agent"]["dependsOn"] == [{"containerName": "envoy", "condition": "START"}]
    assert injection.notes[0] == "Meshift's container envoy took the place of the one that was there"
    assert remove(injection.task_definition) == before


def test_fields_that_only_describe_a_revision_are_the_ones_of_botocores_model():
    assert set(DESCRIBED_ONLY) == described_only()


@pytest.mark.parametrize(
    ("setting", "region", "hosted", "says"),
    [
        ("fips", "eu-west-1", False, "United States and Canada, not in eu-west-1"),
        (None, "us-gov-west-1", False, "no image in us-gov-west-1"),
        ("public", "us-east-1", True, "name a mirror of yours"),
    ],
)
def test_an_image_that_does_not_exist_is_refused(setting, region, hosted, says):
    with pytest.raises(InvalidSetting, match=re.escape(says)):
        choose_image(setting, region, hosted)


@pytest.mark.parametrize(
    ("region", "registry"),
    [
        ("eu-west-1", "840364872350.dkr.ecr.eu-west-1.amazonaws.com"),
        ("ap-east-1", "856666278305.dkr.ecr.ap-east-1.amazonaws.com"),
        ("cn-north-1", "919366029133.dkr.ecr.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_the_image_is_the_one_of_the_region(region, registry):
    assert envoy_image(region).startswith(registry + "/aws-appmesh-envoy:")


def test_a_revision_that_a_pipeline_copied_without_its_tags_is_known_again():
    copied = injected().task_definition
    copied["containerDefinitions"][0]["image"] = "serviceb:3"
    assert is_injected(copied)
    assert not inject(copied, ENROLMENT, SIDECAR).added


def test_the_application_is_the_same_with_and_without_envoy_and_another_with_another_image():
    once = injected()
    assert inject(once.task_definition, ENROLMENT, SIDECAR).application == once.application
    other = task_definition()
    other["containerDefinitions"][0]["image"] = "serviceb:3"
    assert inject(other, ENROLMENT, SIDECAR).application != once.application


def test_upstream_envoy_is_given_its_bootstrap_and_a_health_check_that_its_image_can_run():
    text = bootstrap(NODE, "https://discovery.example/", "lambda", "us-east-1", 5)
    envoy = inject(task_definition(), ENROLMENT, Sidecar("envoy:1", NODE, (80,), text)).task_definition[
        "containerDefinitions"
    ][-1]
    assert envoy["command"] == command(text)
    assert envoy["healthCheck"]["command"][:3] == ["CMD", "bash", "-c"]
    assert "environment" not in envoy
