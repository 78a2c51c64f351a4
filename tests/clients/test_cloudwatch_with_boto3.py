"""Metrics and alarms as boto3 and the AWS CLI use them."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def cloudwatch(cloud):
    return cloud.client("cloudwatch")


def last_minute():
    return datetime.now(timezone.utc).replace(second=0, microsecond=0) - timedelta(minutes=1)


def test_what_is_put_is_got(cloudwatch):
    dimensions = [{"Name": "Service", "Value": "orders"}]
    when = last_minute()
    cloudwatch.put_metric_data(
        Namespace="Shop",
        MetricData=[
            {
                "MetricName": "Latency", "Dimensions": dimensions, "Timestamp": when,
                "Values": [float(value) for value in range(1, 101)], "Unit": "Milliseconds",
            }
        ],
    )
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[
            {
                "Id": stat.lower().replace(".", "_"),
                "MetricStat": {
                    "Metric": {
                        "Namespace": "Shop", "MetricName": "Latency", "Dimensions": dimensions,
                    },
                    "Period": 60,
                    "Stat": stat,
                },
            }
            for stat in ["Sum", "SampleCount", "p90"]
        ],
        StartTime=when - timedelta(minutes=5),
        EndTime=when + timedelta(minutes=5),
        PaginationConfig={"PageSize": 2},
    )
    results = {
        result["Id"]: result for page in pages for result in page["MetricDataResults"]
    }
    assert results["sum"]["Values"] == [5050.0]
    assert results["sum"]["Timestamps"] == [when]
    assert results["samplecount"]["Values"] == [100.0]
    assert abs(results["p90"]["Values"][0] - 90) < 2
    statistics = cloudwatch.get_metric_statistics(
        Namespace="Shop", MetricName="Latency", Dimensions=dimensions, Period=60,
        StartTime=when - timedelta(minutes=5), EndTime=when + timedelta(minutes=5),
        ExtendedStatistics=["p50", "p99"],
    )
    assert set(statistics["Datapoints"][0]["ExtendedStatistics"]) == {"p50", "p99"}
    listed = cloudwatch.get_paginator("list_metrics").paginate(
        Namespace="Shop", MetricName="Latency"
    )
    assert [metric["Dimensions"] for page in listed for metric in page["Metrics"]] == [dimensions]


def test_errors_have_the_codes_of_the_query_api(cloudwatch):
    with pytest.raises(cloudwatch.exceptions.InvalidParameterCombinationException) as both:
        cloudwatch.put_metric_data(
            Namespace="Shop", MetricData=[{"MetricName": "M", "Value": 1, "Values": [1.0]}]
        )
    assert both.value.response["Error"]["Code"] == "InvalidParameterCombination"
    with pytest.raises(ClientError) as unknown:
        cloudwatch.set_alarm_state(AlarmName="nobody", StateValue="OK", StateReason="x")
    assert unknown.value.response["Error"]["Code"] == "ResourceNotFound"
    assert unknown.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_an_alarm_is_waited_for(cloudwatch):
    cloudwatch.put_metric_alarm(
        AlarmName="slow", Namespace="Shop", MetricName="Answers", Statistic="Maximum", Period=60,
        EvaluationPeriods=1, Threshold=2, ComparisonOperator="GreaterThanThreshold",
    )
    cloudwatch.put_metric_data(
        Namespace="Shop",
        MetricData=[{"MetricName": "Answers", "Value": 21.5, "Timestamp": last_minute()}],
    )
    cloudwatch.get_waiter("alarm_exists").wait(AlarmNames=["slow"])
    pages = cloudwatch.get_paginator("describe_alarms")
    for _ in range(200):
        alarms = [a for page in pages.paginate(StateValue="ALARM") for a in page["MetricAlarms"]]
        if alarms:
            break
    assert alarms[0]["StateReason"].startswith("Threshold Crossed: 1 datapoint [21.5 (")
    assert json.loads(alarms[0]["StateReasonData"])["recentDatapoints"] == [21.5]
    history = cloudwatch.describe_alarm_history(AlarmName="slow")["AlarmHistoryItems"]
    assert history[0]["HistorySummary"] == "Alarm updated from INSUFFICIENT_DATA to ALARM"
    cloudwatch.delete_alarms(AlarmNames=["slow"])
    assert not cloudwatch.describe_alarms(AlarmNames=["slow"])["MetricAlarms"]
