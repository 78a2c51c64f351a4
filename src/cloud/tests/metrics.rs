//! `CloudWatch` of the local cloud as the AWS SDK and plain HTTP clients see it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "support/function.rs"]
mod function;
#[path = "support/functions.rs"]
mod functions;
mod support;

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    ComparisonOperator, Dimension, DimensionFilter, HistoryItemType, Metric, MetricAlarm,
    MetricDataQuery, MetricDatum, MetricStat, RecentlyActive, ScanBy, StandardUnit, StateValue,
    Statistic, StatisticSet, Tag,
};
use functions::Functions;
use labdeck_cloud::lifecycle::Options;
use support::Cloud;

fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

fn minutes_ago(minutes: i64) -> DateTime {
    DateTime::from_secs(now() - minutes * 60)
}

fn dimension(name: &str, value: &str) -> Dimension {
    Dimension::builder().name(name).value(value).build()
}

fn metric(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Metric {
    let dimensions = dimensions.iter().map(|(name, value)| dimension(name, value)).collect();
    Metric::builder()
        .namespace(namespace)
        .metric_name(name)
        .set_dimensions(Some(dimensions))
        .build()
}

fn query(id: &str, metric: Metric, stat: &str) -> MetricDataQuery {
    let stat = MetricStat::builder().metric(metric).period(60).stat(stat).build();
    MetricDataQuery::builder().id(id).metric_stat(stat).build()
}

/// The sum over all points of a statistic in the last hour.
async fn total(client: &Client, metric: Metric, stat: &str) -> Option<f64> {
    let answer = client
        .get_metric_data()
        .metric_data_queries(query("q", metric, stat))
        .start_time(minutes_ago(60))
        .end_time(minutes_ago(-5))
        .send()
        .await
        .unwrap();
    answer.metric_data_results()[0].values().iter().copied().reduce(|a, b| a + b)
}

/// Asks again until a metric's sum is what is expected.
async fn becomes(client: &Client, metric: Metric, stat: &str, expected: f64) {
    let mut last = None;
    for _ in 0..1000 {
        last = total(client, metric.clone(), stat).await;
        if last == Some(expected) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{metric:?} {stat}: {last:?} instead of {expected}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_put_is_got_with_its_statistics_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(dir.path()).await;
    let client = Client::new(&cloud.config());
    let orders = [("Service", "orders"), ("Version", "3")];
    for chunk in [1..=50, 51..=100] {
        let datum = MetricDatum::builder()
            .metric_name("Latency")
            .set_dimensions(Some(orders.iter().map(|(n, v)| dimension(n, v)).collect()))
            .timestamp(minutes_ago(2))
            .unit(StandardUnit::Milliseconds)
            .set_values(Some(chunk.map(f64::from).collect()));
        client.put_metric_data().namespace("Shop").metric_data(datum.build()).send().await.unwrap();
    }
    let set = StatisticSet::builder().sample_count(10.0).sum(55.0).minimum(1.0).maximum(10.0);
    let datum = MetricDatum::builder().metric_name("Items").statistic_values(set.build());
    client.put_metric_data().namespace("Shop").metric_data(datum.build()).send().await.unwrap();

    cloud.stop().await;
    let cloud = Cloud::restart_with(Options::new(dir.path())).await;
    let client = Client::new(&cloud.config());
    // The order of dimensions means nothing.
    let latency = metric("Shop", "Latency", &[orders[1], orders[0]]);
    for (stat, expected) in [
        ("SampleCount", 100.0),
        ("Sum", 5050.0),
        ("Average", 50.5),
        ("Minimum", 1.0),
        ("Maximum", 100.0),
    ] {
        assert_eq!(total(&client, latency.clone(), stat).await, Some(expected), "{stat}");
    }
    for (stat, exact) in [("p50", 50.0), ("p99", 99.0), ("p99.9", 100.0), ("p100", 100.0)] {
        let found = total(&client, latency.clone(), stat).await.unwrap();
        assert!((found - exact).abs() <= exact * 0.02, "{stat}: {found}");
    }
    let items = metric("Shop", "Items", &[]);
    assert_eq!(total(&client, items.clone(), "Average").await, Some(5.5));
    assert_eq!(total(&client, items, "p50").await, None, "statistic sets have no percentiles");

    let answer = client
        .get_metric_statistics()
        .namespace("Shop")
        .metric_name("Latency")
        .dimensions(dimension("Service", "orders"))
        .dimensions(dimension("Version", "3"))
        .start_time(minutes_ago(30))
        .end_time(minutes_ago(-1))
        .period(60)
        .statistics(Statistic::Sum)
        .statistics(Statistic::Maximum)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.label(), Some("Latency"));
    let points = answer.datapoints();
    assert_eq!(points.len(), 1);
    assert_eq!(points[0].sum(), Some(5050.0));
    assert_eq!(points[0].average(), None);
    assert_eq!(points[0].unit(), Some(&StandardUnit::Milliseconds));
    assert_eq!(points[0].timestamp().unwrap().secs() % 60, 0);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_come_in_pages_in_either_order_with_labels() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(dir.path()).await;
    let client = Client::new(&cloud.config());
    for minute in 1..=5 {
        let datum = MetricDatum::builder()
            .metric_name("Orders")
            .value(f64::from(minute))
            .timestamp(minutes_ago(minute.into()));
        client.put_metric_data().namespace("Shop").metric_data(datum.build()).send().await.unwrap();
    }
    let orders = || metric("Shop", "Orders", &[]);
    let labelled = MetricDataQuery::builder()
        .id("b")
        .label("${PROP('MetricName')} max ${MAX}")
        .metric_stat(MetricStat::builder().metric(orders()).period(60).stat("Sum").build());
    let ask = client
        .get_metric_data()
        .metric_data_queries(query("a", orders(), "Maximum"))
        .metric_data_queries(labelled.build())
        .start_time(minutes_ago(10))
        .end_time(minutes_ago(-1))
        .max_datapoints(3);
    let mut pages = Vec::new();
    let mut token = None;
    loop {
        let page = ask.clone().set_next_token(token).send().await.unwrap();
        for result in page.metric_data_results() {
            let status = result.status_code().unwrap().as_str().to_owned();
            pages.push((result.id().unwrap().to_owned(), status, result.values().to_vec()));
        }
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            let last = page.metric_data_results().last().unwrap();
            assert_eq!(last.label(), Some("Orders max 5"));
            break;
        }
    }
    let page = |id: &str, status: &str, values: &[f64]| {
        (id.to_owned(), status.to_owned(), values.to_vec())
    };
    assert_eq!(
        pages,
        [
            page("a", "PartialData", &[1.0, 2.0, 3.0]),
            page("a", "Complete", &[4.0, 5.0]),
            page("b", "PartialData", &[1.0]),
            page("b", "PartialData", &[2.0, 3.0, 4.0]),
            page("b", "Complete", &[5.0]),
        ]
    );
    let ascending = ask.clone().scan_by(ScanBy::TimestampAscending).send().await.unwrap();
    let first = &ascending.metric_data_results()[0];
    assert_eq!(first.values(), [5.0, 4.0, 3.0]);
    assert_eq!(first.label(), Some("Orders Maximum"), "what tells the queries apart");
    let stale = ask.clone().next_token("AAAA").send().await.unwrap_err();
    assert_eq!(stale.code(), Some("InvalidNextToken"));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_listed_by_filters_and_pages() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(dir.path()).await;
    let client = Client::new(&cloud.config());
    let datum = |index: i32, minutes: i64| {
        MetricDatum::builder()
            .metric_name("Orders")
            .dimensions(dimension("Shop", &format!("s{index:04}")))
            .timestamp(minutes_ago(minutes))
            .value(1.0)
            .build()
    };
    let many = (0..700).map(|index| datum(index, 1)).collect();
    client.put_metric_data().namespace("Many").set_metric_data(Some(many)).send().await.unwrap();
    let old = datum(9999, 5 * 60);
    client.put_metric_data().namespace("Old").metric_data(old).send().await.unwrap();

    let first = client.list_metrics().namespace("Many").send().await.unwrap();
    assert_eq!(first.metrics().len(), 500);
    let token = first.next_token().unwrap();
    let second = client.list_metrics().namespace("Many").next_token(token).send().await.unwrap();
    assert_eq!(second.metrics().len(), 200);
    assert_eq!(second.next_token(), None);
    let one = DimensionFilter::builder().name("Shop").value("s0042").build();
    let found = client.list_metrics().dimensions(one).send().await.unwrap();
    assert_eq!(found.metrics().len(), 1);
    let any = DimensionFilter::builder().name("Shop").build();
    let found = client.list_metrics().namespace("Old").dimensions(any).send().await.unwrap();
    assert_eq!(found.metrics().len(), 1);
    let recent = client.list_metrics().namespace("Old").recently_active(RecentlyActive::Pt3H);
    assert_eq!(recent.send().await.unwrap().metrics().len(), 0);
    let none = client.list_metrics().metric_name("orders").send().await.unwrap();
    assert_eq!(none.metrics().len(), 0);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_refused_in_the_words_of_the_service() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(dir.path()).await;
    let client = Client::new(&cloud.config());
    let put = |datum: MetricDatum| client.put_metric_data().namespace("Shop").metric_data(datum);
    let datum = || MetricDatum::builder().metric_name("M").timestamp(minutes_ago(0));

    let both = put(datum().value(1.0).values(2.0).build()).send().await.unwrap_err();
    assert_eq!(both.code(), Some("InvalidParameterCombination"));
    assert_eq!(
        both.message(),
        Some(
            "The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually \
             exclusive and you have specified both."
        )
    );
    let counts = put(datum().values(1.0).counts(1.0).counts(2.0).build()).send().await;
    let counts = counts.unwrap_err();
    assert_eq!(counts.code(), Some("InvalidParameterValue"));
    assert_eq!(
        counts.message(),
        Some(
            "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of \
             the same size."
        )
    );
    let nan = put(datum().value(f64::NAN).build()).send().await.unwrap_err();
    assert_eq!(nan.code(), Some("InvalidParameterValue"));
    let old = put(datum().value(1.0).timestamp(minutes_ago(15 * 1440)).build()).send().await;
    assert_eq!(
        old.unwrap_err().message(),
        Some(
            "The parameter MetricData.member.1.Timestamp must specify a time within the past two \
             weeks."
        )
    );
    let aws = client.put_metric_data().namespace("AWS/Lambda").metric_data(datum().build());
    let aws = aws.send().await.unwrap_err();
    assert_eq!(aws.message(), Some("The value AWS/ for parameter Namespace is invalid."));

    let get = |query: MetricDataQuery| {
        let get = client.get_metric_data().metric_data_queries(query);
        get.start_time(minutes_ago(5)).end_time(minutes_ago(0))
    };
    let math = MetricDataQuery::builder().id("e").expression("a * 100").build();
    let math = get(math).send().await.unwrap_err();
    assert_eq!(math.code(), Some("NotImplementedException"));
    assert!(math.message().unwrap().contains("Expression"), "{math:?}");
    let id = get(query("Big", metric("Shop", "M", &[]), "Sum")).send().await.unwrap_err();
    assert_eq!(id.code(), Some("ValidationError"));
    assert_eq!(
        id.message(),
        Some(
            "The value Big for parameter MetricDataQueries.member.1.Id is not matching the \
             expected pattern ^[a-z][a-zA-Z0-9_]*$."
        )
    );
    let order = get(query("q", metric("Shop", "M", &[]), "Sum")).end_time(minutes_ago(6));
    assert_eq!(
        order.send().await.unwrap_err().message(),
        Some("The parameter StartTime must be less than the parameter EndTime.")
    );
    let dashboards = client.list_dashboards().send().await.unwrap_err();
    assert_eq!(dashboards.code(), Some("NotImplementedException"));
    assert!(dashboards.message().unwrap().contains("CloudWatch ListDashboards"));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_clients_speak_query_or_json() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path());
    options.any_credentials = true;
    let cloud = Cloud::start_with(options).await;
    let host = cloud.endpoint.trim_start_matches("http://").to_owned();
    let form = |body: String| {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\n\
             Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
        );
        let cloud = &cloud;
        async move { cloud.raw(&head, &format!("{body}&Version=2010-08-01")).await }
    };
    let (status, body) = form(
        "Action=PutMetricData&Namespace=Q&MetricData.member.1.MetricName=M\
         &MetricData.member.1.Value=4.5&MetricData.member.1.Dimensions.member.1.Name=A\
         &MetricData.member.1.Dimensions.member.1.Value=%3Ca%3E"
            .to_owned(),
    )
    .await;
    assert_eq!(status, 200, "{body}");
    assert!(body.starts_with(
        "<PutMetricDataResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\">"
    ));
    let (_, body) = form("Action=ListMetrics&Namespace=Q".to_owned()).await;
    assert!(body.contains("<Name>A</Name><Value>&lt;a&gt;</Value>"), "{body}");
    let (_, body) = form(format!(
        "Action=GetMetricStatistics&Namespace=Q&MetricName=M&Dimensions.member.1.Name=A\
         &Dimensions.member.1.Value=%3Ca%3E&Statistics.member.1=Sum&Period=60\
         &StartTime={}&EndTime={}",
        now() - 300,
        now() + 60
    ))
    .await;
    assert!(body.contains("<Sum>4.5</Sum>"), "{body}");
    let (status, body) = form("Action=PutMetricData&Namespace=Q".to_owned()).await;
    assert_eq!(status, 400);
    assert!(body.contains("<Code>MissingParameter</Code>"), "{body}");
    assert!(body.contains("The parameter MetricData is required."), "{body}");

    let json = |operation: &str, body: String| {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-amz-json-1.0\r\n\
             x-amz-target: GraniteServiceVersion20100801.{operation}\r\n"
        );
        let cloud = &cloud;
        async move { cloud.raw(&head, &body).await }
    };
    let (status, body) = json("ListMetrics", r#"{"Namespace":"Q"}"#.to_owned()).await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(r#""MetricName":"M""#), "{body}");
    let (status, body) = json("ListMetrics", r#"{"NextToken":"x"}"#.to_owned()).await;
    assert_eq!(status, 400);
    assert!(body.contains("InvalidNextToken"), "{body}");
    for broken in ["\u{0}", "{", "[1]", r#"{"Dimensions":7}"#] {
        let (status, _) = json("ListMetrics", broken.to_owned()).await;
        assert_eq!(status, 400, "{broken}");
    }
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_in_a_functions_output_and_its_invocations_become_metrics() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path());
    options.any_credentials = true;
    let cloud = Cloud::start_with(options).await;
    let client = Client::new(&cloud.config());
    let functions = Functions(&cloud);
    let document = serde_json::json!({
        "_aws": {"Timestamp": now() * 1000, "CloudWatchMetrics": [{
            "Namespace": "Labdeck",
            "Dimensions": [["service"], ["service", "version"]],
            "Metrics": [{"Name": "Latency", "Unit": "Milliseconds"}, {"Name": "Requests"}],
        }]},
        "service": "greet", "version": "1", "Latency": [10, 20, 30], "Requests": 1,
    });
    let variables = serde_json::json!({
        "LINE": document.to_string(),
        "ANSWER": r#"{"statusCode":418,"body":"short"}"#,
    });
    functions.create("greet", &variables).await;
    for _ in 0..3 {
        assert_eq!(functions.invoke("greet", "{}").await, 200);
    }
    assert_eq!(functions.invoke("greet", r#""fail""#).await, 200);

    let service = [("service", "greet")];
    becomes(&client, metric("Labdeck", "Requests", &service), "Sum", 4.0).await;
    let both = [("service", "greet"), ("version", "1")];
    assert_eq!(total(&client, metric("Labdeck", "Latency", &both), "Sum").await, Some(240.0));
    let median = total(&client, metric("Labdeck", "Latency", &both), "p50").await.unwrap();
    assert!((median - 20.0).abs() < 0.5, "{median}");

    let function = [("FunctionName", "greet")];
    let resource = [("FunctionName", "greet"), ("Resource", "greet")];
    for dimensions in [&function[..], &resource[..]] {
        let of = |name: &str| metric("AWS/Lambda", name, dimensions);
        becomes(&client, of("Invocations"), "Sum", 4.0).await;
        assert_eq!(total(&client, of("Errors"), "Sum").await, Some(1.0));
        assert_eq!(total(&client, of("Throttles"), "Sum").await, Some(0.0));
        assert!(total(&client, of("Duration"), "Maximum").await.unwrap() > 0.0);
        assert!(total(&client, of("ConcurrentExecutions"), "Maximum").await.unwrap() >= 1.0);
    }

    let api = functions.api("shop", "greet").await;
    assert_eq!(functions.get(&api, "/dev/greet").await, 418);
    assert_eq!(functions.get(&api, "/dev/nowhere").await, 403);
    let stage = [("ApiName", "shop"), ("Stage", "dev")];
    let of = |name: &str, dimensions: &[(&str, &str)]| metric("AWS/ApiGateway", name, dimensions);
    becomes(&client, of("Count", &stage), "Sum", 2.0).await;
    becomes(&client, of("4XXError", &[("ApiName", "shop")]), "Sum", 2.0).await;
    assert_eq!(total(&client, of("5XXError", &stage), "Average").await, Some(0.0));
    assert_eq!(total(&client, of("IntegrationLatency", &stage), "SampleCount").await, Some(1.0));
    assert_eq!(total(&client, of("Latency", &stage), "SampleCount").await, Some(2.0));
    let detail = [("ApiName", "shop"), ("Stage", "dev"), ("Method", "GET"), ("Resource", "/greet")];
    assert_eq!(total(&client, of("Count", &detail), "Sum").await, None);
    functions.detail(&api).await;
    functions.let_the_gateway_log().await;
    let group = "arn:aws:logs:us-east-1:000000000000:log-group:/shop/access:*";
    let format = "$context.httpMethod $context.resourcePath $context.status \
                  $context.integration.status $context.error.responseType $context.responseLength \
                  $context.integration.requestId";
    functions
        .patch(
            &api,
            serde_json::json!([
                {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": group},
                {"op": "replace", "path": "/accessLogSettings/format", "value": format},
                {"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"},
                {"op": "replace", "path": "/*/*/logging/dataTrace", "value": "true"},
            ]),
        )
        .await;
    assert_eq!(functions.get(&api, "/dev/greet").await, 418);
    becomes(&client, of("Count", &detail), "Sum", 1.0).await;
    assert_eq!(functions.get(&api, "/dev/nowhere").await, 403);
    let access = functions.lines("/shop/access", 2).await;
    let (line, invocation) = access[0].rsplit_once(' ').unwrap();
    assert_eq!(line, "GET /greet 418 418 - 5");
    assert_eq!(access[1], "GET - 403 - MISSING_AUTHENTICATION_TOKEN 42 -");
    let lines = functions.lines(&format!("API-Gateway-Execution-Logs_{api}/dev"), 15).await;
    for expected in [
        "Extended Request Id: ",
        &format!(". API Key:  API Stage: {api}/dev"),
        "API Key  authorized because method 'GET /greet' does not require API Key. Request will \
         not contribute to throttle or quota limits",
        &format!("Usage Plan check succeeded for API Key  and API Stage {api}/dev"),
        "Starting execution for request: ",
        "HTTP Method: GET, Resource Path: /greet",
        "Received response. Status: 200, Integration latency: ",
        "Endpoint response body before transformations: {\"statusCode\":418",
        "Method completed with status: 418",
        &format!("AWS Integration Endpoint RequestId : {invocation}"),
    ] {
        assert!(lines.iter().any(|line| line.contains(expected)), "{expected}: {lines:?}");
    }
    cloud.stop().await;
}

async fn alarm(client: &Client, name: &str) -> MetricAlarm {
    let answer = client.describe_alarms().alarm_names(name).send().await.unwrap();
    answer.metric_alarms()[0].clone()
}

async fn gets_into(client: &Client, name: &str, state: &StateValue) -> MetricAlarm {
    for _ in 0..1000 {
        let found = alarm(client, name).await;
        if found.state_value() == Some(state) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{name} did not get into {state}: {:?}", alarm(client, name).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_goes_off_and_back_and_keeps_its_history() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(dir.path()).await;
    let client = Client::new(&cloud.config());
    let topic = "arn:aws:sns:us-east-1:000000000000:pager";
    let put = client
        .put_metric_alarm()
        .alarm_name("slow")
        .alarm_description("orders are slow")
        .namespace("Shop")
        .metric_name("Latency")
        .dimensions(dimension("Service", "orders"))
        .statistic(Statistic::Minimum)
        .period(60)
        .evaluation_periods(1)
        .threshold(2.0)
        .comparison_operator(ComparisonOperator::GreaterThanThreshold)
        .alarm_actions(topic)
        .tags(Tag::builder().key("team").value("shop").build());
    put.clone().send().await.unwrap();
    let new = alarm(&client, "slow").await;
    assert_eq!(new.state_value(), Some(&StateValue::InsufficientData));
    assert_eq!(new.alarm_arn(), Some("arn:aws:cloudwatch:us-east-1:000000000000:alarm:slow"));
    assert_eq!(
        (new.threshold(), new.period(), new.datapoints_to_alarm()),
        (Some(2.0), Some(60), None)
    );

    // The last minute that is over.
    let minute = DateTime::from_secs((now().div_euclid(60) - 1) * 60);
    let measure = async |value: f64| {
        let datum = MetricDatum::builder().metric_name("Latency").value(value).timestamp(minute);
        let datum = datum.dimensions(dimension("Service", "orders")).build();
        client.put_metric_data().namespace("Shop").metric_data(datum).send().await.unwrap();
    };
    measure(21.5).await;
    let gone_off = gets_into(&client, "slow", &StateValue::Alarm).await;
    let reason = gone_off.state_reason().unwrap();
    assert!(reason.starts_with("Threshold Crossed: 1 datapoint [21.5 ("), "{reason}");
    assert!(reason.ends_with(")] was greater than the threshold (2.0)."), "{reason}");
    let data: serde_json::Value =
        serde_json::from_str(gone_off.state_reason_data().unwrap()).unwrap();
    assert_eq!(data["recentDatapoints"], serde_json::json!([21.5]));

    cloud.stop().await;
    let cloud = Cloud::restart_with(Options::new(dir.path())).await;
    let client = Client::new(&cloud.config());
    assert_eq!(alarm(&client, "slow").await, gone_off, "alarms live through a restart");
    let datum = MetricDatum::builder().metric_name("Latency").value(1.0).timestamp(minute);
    let datum = datum.dimensions(dimension("Service", "orders")).build();
    client.put_metric_data().namespace("Shop").metric_data(datum).send().await.unwrap();
    let fine = gets_into(&client, "slow", &StateValue::Ok).await;
    let reason = fine.state_reason().unwrap();
    assert!(reason.contains("[1.0 (") && reason.contains("was not greater than"), "{reason}");

    let history = client.describe_alarm_history().alarm_name("slow");
    let changes = history.clone().history_item_type(HistoryItemType::StateUpdate).send().await;
    let changes = changes.unwrap();
    let summaries: Vec<_> =
        changes.alarm_history_items().iter().map(|item| item.history_summary().unwrap()).collect();
    assert_eq!(
        summaries,
        ["Alarm updated from ALARM to OK", "Alarm updated from INSUFFICIENT_DATA to ALARM"]
    );
    let page = history.clone().max_records(1).send().await.unwrap();
    assert_eq!(page.alarm_history_items().len(), 1);
    let rest = history.clone().next_token(page.next_token().unwrap()).send().await.unwrap();
    assert!(rest.alarm_history_items().len() >= 3, "{rest:?}");
    let actions = history.history_item_type(HistoryItemType::Action).send().await.unwrap();
    let action = actions.alarm_history_items()[0].history_summary().unwrap();
    assert!(action.contains(&format!("execute action {topic}")), "{action}");

    let unknown = client
        .set_alarm_state()
        .alarm_name("nobody")
        .state_value(StateValue::Ok)
        .state_reason("x")
        .send()
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Some("ResourceNotFound"));
    let wrong = client
        .set_alarm_state()
        .alarm_name("slow")
        .state_value(StateValue::from("INVALID"))
        .state_reason("x")
        .send()
        .await
        .unwrap_err();
    assert_eq!(wrong.code(), Some("ValidationError"));
    assert_eq!(
        wrong.message(),
        Some(
            "1 validation error detected: Value 'INVALID' at 'stateValue' failed to satisfy \
             constraint: Member must satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]"
        )
    );
    let arn = fine.alarm_arn().unwrap();
    let tags = client.list_tags_for_resource().resource_arn(arn).send().await.unwrap();
    assert_eq!(tags.tags()[0].value(), Some("shop"));
    client.untag_resource().resource_arn(arn).tag_keys("team").send().await.unwrap();
    let tags = client.list_tags_for_resource().resource_arn(arn).send().await.unwrap();
    assert!(tags.tags().is_empty());
    client.disable_alarm_actions().alarm_names("slow").send().await.unwrap();
    let of_metric = client
        .describe_alarms_for_metric()
        .namespace("Shop")
        .metric_name("Latency")
        .dimensions(dimension("Service", "orders"));
    let found = of_metric.clone().send().await.unwrap();
    assert_eq!(found.metric_alarms()[0].actions_enabled(), Some(false));
    let none = client.delete_alarms().alarm_names("slow").alarm_names("nobody").send().await;
    assert_eq!(none.unwrap_err().code(), Some("ResourceNotFound"));
    client.delete_alarms().alarm_names("slow").send().await.unwrap();
    assert!(of_metric.send().await.unwrap().metric_alarms().is_empty());
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_tells_its_topic_and_its_function() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path());
    options.any_credentials = true;
    let cloud = Cloud::start_with(options).await;
    let client = Client::new(&cloud.config());
    let functions = Functions(&cloud);
    functions.create("fixer", &serde_json::json!({"ANSWER": "{}"})).await;
    let topic = functions.topic_with_queue("pager").await;
    let function = "arn:aws:lambda:us-east-1:000000000000:function:fixer";
    let set = |state: StateValue| {
        client
            .set_alarm_state()
            .alarm_name("slow")
            .state_value(state)
            .state_reason("a drill")
            .send()
    };
    client
        .put_metric_alarm()
        .alarm_name("slow")
        .namespace("Shop")
        .metric_name("Latency")
        .extended_statistic("p99")
        .period(3600)
        .evaluation_periods(1)
        .threshold(2.0)
        .comparison_operator(ComparisonOperator::GreaterThanThreshold)
        .alarm_actions(&topic)
        .alarm_actions(function)
        .send()
        .await
        .unwrap();
    set(StateValue::Alarm).await.unwrap();
    let message = functions.next_message("pager").await;
    assert_eq!(message["Subject"], "ALARM: \"slow\" in US East (N. Virginia)");
    let told: serde_json::Value =
        serde_json::from_str(message["Message"].as_str().unwrap()).unwrap();
    assert_eq!(told["NewStateValue"], "ALARM");
    assert_eq!(told["OldStateValue"], "INSUFFICIENT_DATA");
    assert_eq!(told["NewStateReason"], "a drill");
    assert_eq!(told["Trigger"]["ExtendedStatistic"], "p99");

    let actions = || async {
        let history = client.describe_alarm_history().alarm_name("slow");
        let actions = history.history_item_type(HistoryItemType::Action).send().await.unwrap();
        let items = actions.alarm_history_items().to_vec();
        items.iter().map(|item| item.history_summary().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let summaries = actions().await;
    assert_eq!(summaries[1], format!("Successfully executed action {topic}"));
    assert!(summaries[0].starts_with(&format!("Failed to execute action {function}.")));
    assert!(summaries[0].contains("is not authorized to perform: lambda:InvokeFunction"));
    functions.let_in("fixer", "lambda.alarms.cloudwatch.amazonaws.com").await;
    set(StateValue::Ok).await.unwrap();
    set(StateValue::Alarm).await.unwrap();
    assert_eq!(actions().await[0], format!("Successfully executed action {function}"));
    let fixer = [("FunctionName", "fixer")];
    becomes(&client, metric("AWS/Lambda", "Invocations", &fixer), "Sum", 1.0).await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_puts_metrics_only_where_its_role_lets_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path());
    options.any_credentials = true;
    let cloud = Cloud::start_with(options).await;
    let functions = Functions(&cloud);
    let variables = serde_json::json!({});
    functions.create("greet", &variables).await;
    let (key, secret, token) = functions.credentials("greet").await;
    let client = Client::new(&cloud.config_as(&key, &secret, Some(&token)));
    let put = || {
        let datum = MetricDatum::builder().metric_name("M").value(1.0).build();
        client.put_metric_data().namespace("Shop").metric_data(datum).send()
    };
    put().await.unwrap();
    functions.allow_only("greet", "cloudwatch:ListMetrics").await;
    let refused = put().await.unwrap_err();
    assert_eq!(refused.code(), Some("AccessDenied"));
    let message = refused.message().unwrap();
    assert!(
        message.contains("is not authorized to perform: cloudwatch:PutMetricData"),
        "{message}"
    );
    assert_eq!(client.list_metrics().namespace("Shop").send().await.unwrap().metrics().len(), 1);
    cloud.stop().await;
}
