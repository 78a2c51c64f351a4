//! AWS's rates and delays, a round trip, and faults.

use std::time::{Duration, Instant};

use labdeck_cloud::lifecycle::Options;
use serde_json::{Value, json};

use crate::client::{ROLE, call, create_function, create_role, iam, options, send, target, zip_of};
use crate::support::Cloud;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_service_throttles_in_its_own_words() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start_with(Options { aws_limits: true, ..options(dir.path()) }).await;
    let api = json!({"name": "shop", "endpointConfiguration": {"types": ["REGIONAL"]}});
    let made = call(&cloud, "POST", "/restapis", &api).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let again = call(&cloud, "POST", "/restapis", &api).await;
    assert_eq!((again.status, again.code().as_str()), (429, "TooManyRequestsException"));
    assert_eq!(again.json(), json!({"message": "Too Many Requests"}));
    let wait: u64 = again.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3).contains(&wait), "{wait}");

    let mut throttled = None;
    for _ in 0..16 {
        let reply = call(&cloud, "GET", "/2015-03-31/functions", &Value::Null).await;
        throttled = (reply.status == 429).then_some(reply).or(throttled);
    }
    let throttled = throttled.expect("the sixteenth call of Lambda within a second");
    assert_eq!(throttled.code(), "TooManyRequestsException");
    assert_eq!(throttled.json()["Reason"], "CallerRateLimitExceeded");
    assert!(throttled.header("retry-after").is_some());

    let mut throttled = None;
    for _ in 0..7 {
        let group = json!({"logGroupName": "/none"});
        let reply = target(&cloud, "Logs_20140328.FilterLogEvents", &group).await;
        throttled = (reply.code() == "ThrottlingException").then_some(reply).or(throttled);
    }
    let throttled = throttled.expect("the sixth search within a second");
    assert_eq!((throttled.status, throttled.message().as_str()), (400, "Rate exceeded"));

    let mut throttled = None;
    for _ in 0..60 {
        let reply = iam(&cloud, "ListRoles", &[]).await;
        throttled = (reply.code() == "Throttling").then_some(reply).or(throttled);
    }
    assert_eq!(throttled.expect("too many calls of IAM").status, 400);

    let (_, status) = cloud.admin("GET", "status", "").await;
    assert_eq!((&status["aws_limits"], &status["rtt_ms"]), (&json!(true), &json!(0)));
    cloud.stop().await;
    // Nothing of it is kept.
    let cloud = Cloud::restart_with(options(dir.path())).await;
    assert_eq!(cloud.admin("GET", "status", "").await.1["aws_limits"], false);
    for _ in 0..3 {
        assert_eq!(call(&cloud, "POST", "/restapis", &api).await.status, 201);
    }
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_and_functions_take_their_time_as_on_aws() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start_with(Options { aws_limits: true, ..options(dir.path()) }).await;
    assert_eq!(create_role(&cloud).await.status, 200);
    let early = create_function(&cloud, "f").await;
    assert_eq!((early.status, early.code().as_str()), (400, "InvalidParameterValueException"));
    assert_eq!(early.message(), "The role defined for the function cannot be assumed by Lambda.");
    let began = Instant::now();
    let made = loop {
        let reply = create_function(&cloud, "f").await;
        if reply.status == 201 {
            break reply;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{}", reply.text());
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(began.elapsed() > Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(made.json()["State"], "Pending");
    let code = json!({"ZipFile": zip_of(b"#!")});
    let pending = call(&cloud, "PUT", "/2015-03-31/functions/f/code", &code).await;
    assert_eq!((pending.status, pending.code().as_str()), (409, "ResourceConflictException"));
    assert_eq!(
        pending.message(),
        "The operation cannot be performed at this time. The function is currently in the \
         following state: Pending"
    );
    wait_for(&cloud, "State", "Active", Duration::from_secs(1)).await;
    let changed = json!({"MemorySize": 256, "Role": ROLE});
    let changed = call(&cloud, "PUT", "/2015-03-31/functions/f/configuration", &changed).await;
    assert_eq!(changed.json()["LastUpdateStatus"], "InProgress", "{}", changed.text());
    let busy = call(&cloud, "POST", "/2015-03-31/functions/f/versions", &json!({})).await;
    assert_eq!((busy.status, busy.code().as_str()), (409, "ResourceConflictException"));
    assert!(busy.message().contains("An update is in progress"), "{}", busy.text());
    wait_for(&cloud, "LastUpdateStatus", "Successful", Duration::from_secs(1)).await;
    cloud.stop().await;
}

/// Waits until the function says so, which must take at least `least`.
async fn wait_for(cloud: &Cloud, member: &str, value: &str, least: Duration) {
    let began = Instant::now();
    loop {
        let reply = call(cloud, "GET", "/2015-03-31/functions/f", &Value::Null).await;
        if reply.json()["Configuration"][member] == value {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{}", reply.text());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(began.elapsed() >= least, "{member} took {:?} only", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_trip_is_added_to_calls_and_not_to_the_admin_api() {
    let dir = tempfile::tempdir().unwrap();
    let rtt = Duration::from_millis(400);
    let cloud = Cloud::start_with(Options { rtt, ..options(dir.path()) }).await;
    let began = Instant::now();
    assert_eq!(cloud.admin("GET", "status", "").await.1["rtt_ms"], 400);
    assert!(began.elapsed() < rtt, "the admin API took {:?}", began.elapsed());
    for path in ["/restapis", "/restapis/a/dev/_user_request_/x", "/2015-03-31/functions/none"] {
        let began = Instant::now();
        call(&cloud, "GET", path, &Value::Null).await;
        assert!(began.elapsed() >= rtt, "{path} took {:?}", began.elapsed());
    }
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_strike_and_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start_with(options(dir.path())).await;
    let faults = json!([
        {"service": "iam", "operation": "CreateRole", "nth": 1, "action": "lose_answer"},
        {"service": "apigateway", "operation": "CreateRestApi", "every": 2, "action":
            {"error": {"status": 503, "code": "ServiceUnavailableException", "message": "later"}}},
        {"service": "logs", "operation": "*", "every": 1, "action": {"delay_ms": 150}},
        {"service": "execute-api", "operation": "GET", "nth": 1, "action": "lose_answer"},
    ]);
    let (status, told) = cloud.admin("PUT", "faults", &faults.to_string()).await;
    assert_eq!((status, &told["faults"][0]["fired"]), (200, &json!(0)), "{told}");
    assert_eq!(cloud.admin("GET", "status", "").await.1["faults"], 4);

    // The answer is lost, what it would tell of is done.
    let form = format!(
        "Action=CreateRole&Version=2010-05-08&RoleName=tester&AssumeRolePolicyDocument={}",
        form_urlencoded::byte_serialize(crate::client::TRUST.as_bytes()).collect::<String>()
    );
    let lost = send(&cloud, "POST", "/", &[], form.as_bytes()).await;
    assert!(lost.is_none(), "{lost:?}");
    let again = send(&cloud, "POST", "/", &[], form.as_bytes()).await.unwrap();
    assert_eq!((again.status, again.code().as_str()), (409, "EntityAlreadyExists"));

    let api = json!({"name": "shop"});
    assert_eq!(call(&cloud, "POST", "/restapis", &api).await.status, 201);
    let failed = call(&cloud, "POST", "/restapis", &api).await;
    assert_eq!((failed.status, failed.code().as_str()), (503, "ServiceUnavailableException"));
    assert_eq!(failed.json(), json!({"message": "later"}));
    let apis = call(&cloud, "GET", "/restapis", &Value::Null).await.json();
    assert_eq!(apis["item"].as_array().unwrap().len(), 1, "{apis}");

    let began = Instant::now();
    assert_eq!(target(&cloud, "Logs_20140328.DescribeLogGroups", &json!({})).await.status, 200);
    assert!(began.elapsed() >= Duration::from_millis(150));
    assert!(send(&cloud, "GET", "/restapis/a/dev/_user_request_/", &[], b"").await.is_none());
    assert_eq!(
        call(&cloud, "GET", "/restapis/a/dev/_user_request_/", &Value::Null).await.status,
        403
    );

    let (_, told) = cloud.admin("GET", "faults", "").await;
    let counts: Vec<_> =
        told["faults"].as_array().unwrap().iter().map(|f| (&f["matched"], &f["fired"])).collect();
    let pair = |matched: u64, fired: u64| (Value::from(matched), Value::from(fired));
    let expected = [pair(2, 1), pair(2, 1), pair(1, 1), pair(2, 1)];
    let expected: Vec<_> = expected.iter().map(|(m, f)| (m, f)).collect();
    assert_eq!(counts, expected, "{told}");

    let (status, wrong) = cloud.admin("PUT", "faults", r#"[{"service":"iam"}]"#).await;
    assert_eq!(status, 400, "{wrong}");
    assert_eq!(cloud.admin("GET", "faults", "").await.1["faults"].as_array().unwrap().len(), 4);
    assert_eq!(cloud.admin("DELETE", "faults", "").await.0, 204);
    assert_eq!(cloud.admin("GET", "faults", "").await.1, json!({"faults": [], "held": 0}));
    // Without the token nobody sets any.
    let unsigned = send(&cloud, "PUT", "/_labdeck/faults", &[], b"[]").await.unwrap();
    assert_eq!(unsigned.status, 401);
    cloud.stop().await;
}
