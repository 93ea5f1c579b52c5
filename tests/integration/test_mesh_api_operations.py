"""Every operation of App Mesh's API through boto3, answered by the handler over moto's DynamoDB."""


from tests.app_mesh_sweep import sweep


def test_every_operation_of_the_model_works_through_boto3(hosted):
    client = hosted.client()
    assert sweep(client) == set(client.meta.service_model.operation_names)
