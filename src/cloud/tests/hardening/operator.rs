//! `--operator-policy`: what the console's own credentials may do.

use labdeck_cloud::lifecycle::{Options, StartError, run_until};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::client::{Reply, call, create_function, create_role, iam, options, query, target};
use crate::support::Cloud;

const USER: &str = "arn:aws:iam::000000000000:user/operator";

async fn start(dir: &std::path::Path, policy: &Value) -> Cloud {
    let file = dir.join("policy.json");
    std::fs::write(&file, policy.to_string()).unwrap();
    let state = dir.join("state");
    Cloud::start_with(Options { operator_policy: Some(file), ..options(&state) }).await
}

fn denied(reply: &Reply, status: u16, code: &str, action: &str, resource: &str) {
    assert_eq!((reply.status, reply.code().as_str()), (status, code), "{}", reply.text());
    assert_eq!(
        reply.message(),
        format!(
            "User: {USER} is not authorized to perform: {action} on resource: {resource} because \
             no identity-based policy allows the {action} action"
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_allows_nothing_refuses_every_service_by_action_and_resource() {
    let dir = tempfile::tempdir().unwrap();
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]});
    let cloud = start(dir.path(), &policy).await;
    let lambda = |name: &str| format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
    let gateway = |path: &str| format!("arn:aws:apigateway:us-east-1::{path}");
    let deny = "AccessDeniedException";

    denied(&create_function(&cloud, "f").await, 403, deny, "lambda:CreateFunction", &lambda("f"));
    for (method, path, action, resource) in [
        ("GET", "/2015-03-31/functions", "lambda:ListFunctions", "*".to_owned()),
        ("GET", "/2015-03-31/functions/f", "lambda:GetFunction", lambda("f")),
        ("PUT", "/2015-03-31/functions/f/code", "lambda:UpdateFunctionCode", lambda("f")),
        ("POST", "/2015-03-31/functions/f/invocations", "lambda:InvokeFunction", lambda("f")),
        ("PUT", "/2015-03-31/functions/f/aliases/live", "lambda:UpdateAlias", lambda("f")),
        (
            "POST",
            "/2015-03-31/functions/f/policy?Qualifier=live",
            "lambda:AddPermission",
            lambda("f:live"),
        ),
        ("GET", "/restapis", "apigateway:GET", gateway("/restapis")),
        ("POST", "/restapis", "apigateway:POST", gateway("/restapis")),
        ("PUT", "/restapis/a1?mode=overwrite", "apigateway:PUT", gateway("/restapis/a1")),
        (
            "PATCH",
            "/restapis/a1/stages/dev",
            "apigateway:PATCH",
            gateway("/restapis/a1/stages/dev"),
        ),
        // However it is written, it is the same resource.
        ("DELETE", "/restapis/%611/", "apigateway:DELETE", gateway("/restapis/a1")),
    ] {
        denied(&call(&cloud, method, path, &json!({})).await, 403, deny, action, &resource);
    }
    let role = "arn:aws:iam::000000000000:role/tester";
    denied(&create_role(&cloud).await, 403, "AccessDenied", "iam:CreateRole", role);
    let made = iam(&cloud, "CreateRole", &[("RoleName", "r"), ("Path", "/labs/")]).await;
    let role = "arn:aws:iam::000000000000:role/labs/r";
    denied(&made, 403, "AccessDenied", "iam:CreateRole", role);
    let group = json!({"logGroupName": "/g"});
    denied(
        &target(&cloud, "Logs_20140328.CreateLogGroup", &group).await,
        400,
        deny,
        "logs:CreateLogGroup",
        "arn:aws:logs:us-east-1:000000000000:log-group:/g:log-stream:",
    );
    denied(
        &target(&cloud, "DynamoDB_20120810.DescribeTable", &json!({"TableName": "t"})).await,
        400,
        deny,
        "dynamodb:DescribeTable",
        "arn:aws:dynamodb:us-east-1:000000000000:table/t",
    );
    let queue = target(&cloud, "AmazonSQS.CreateQueue", &json!({"QueueName": "q"})).await;
    let topic = query(&cloud, "2010-03-31", "CreateTopic", &[("Name", "t")]).await;
    let metrics = query(&cloud, "2010-08-01", "ListMetrics", &[]).await;
    for (reply, action) in [
        (queue, "sqs:CreateQueue on resource: arn:aws:sqs:us-east-1:000000000000:q"),
        (topic, "SNS:CreateTopic on resource: arn:aws:sns:us-east-1:000000000000:t"),
        (metrics, "cloudwatch:ListMetrics on resource: "),
    ] {
        assert!(matches!(reply.status, 400 | 403), "{}", reply.text());
        let expected =
            format!("User: {USER} is not authorized to perform: {action}").to_lowercase();
        assert!(reply.message().to_lowercase().contains(&expected), "{}", reply.text());
    }
    let mapping =
        json!({"FunctionName": "f", "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:q"});
    let mapping = call(&cloud, "POST", "/2015-03-31/event-source-mappings", &mapping).await;
    assert!(
        mapping.message().contains("lambda:CreateEventSourceMapping on resource: "),
        "{mapping:?}"
    );
    // Who one is needs no permission.
    let me = query(&cloud, "2011-06-15", "GetCallerIdentity", &[]).await;
    assert_eq!(me.status, 200);
    assert!(me.text().contains(&format!("<Arn>{USER}</Arn>")), "{}", me.text());
    let (_, status) = cloud.admin("GET", "status", "").await;
    assert!(status["operator_policy"].as_str().unwrap().ends_with("policy.json"), "{status}");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_are_passed_only_where_the_policy_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let policy = |passed_to: &str| {
        json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["lambda:*", "iam:CreateRole"], "Resource": "*"},
            {"Effect": "Allow", "Action": "iam:PassRole",
             "Resource": "arn:aws:iam::*:role/*",
             "Condition": {"StringEquals": {"iam:PassedToService": passed_to}}},
            {"Effect": "Deny", "Action": "lambda:DeleteFunction", "Resource": "*",
             "Condition": {"StringNotEquals": {"aws:username": "somebody-else"}}}]})
    };
    let cloud = start(dir.path(), &policy("apigateway.amazonaws.com")).await;
    assert_eq!(create_role(&cloud).await.status, 200);
    let refused = create_function(&cloud, "f").await;
    let role = "arn:aws:iam::000000000000:role/tester";
    denied(&refused, 403, "AccessDeniedException", "iam:PassRole", role);
    cloud.stop().await;

    let cloud = start(dir.path(), &policy("lambda.amazonaws.com")).await;
    assert_eq!(create_function(&cloud, "f").await.status, 201);
    let kept = call(&cloud, "DELETE", "/2015-03-31/functions/f", &Value::Null).await;
    assert_eq!(
        kept.message(),
        format!(
            "User: {USER} is not authorized to perform: lambda:DeleteFunction on resource: \
             arn:aws:lambda:us-east-1:000000000000:function:f with an explicit deny in an \
             identity-based policy"
        )
    );
    cloud.stop().await;
}

#[tokio::test]
async fn a_broken_policy_refuses_the_start_and_touches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("policy.json");
    let state = dir.path().join("state");
    for (text, line, reason) in [
        ("{\n \"Version\": \"2012-10-17\",\n \"Statement\": [\n}", 4, "expected value"),
        (
            "{\"Version\": \"2012-10-17\", \"Statement\": [\n {\"Effect\": \"Allow\",\n  \
             \"Action\": \"GetFunction\", \"Resource\": \"*\"}]}",
            3,
            "must be prefaced by a vendor",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let options = Options { operator_policy: Some(file.clone()), ..Options::new(&state) };
        let refused = run_until(options, CancellationToken::new()).await.unwrap_err();
        assert!(matches!(refused, StartError::OperatorPolicy(_)), "{refused:?}");
        let told = refused.to_string();
        assert!(told.contains(&format!("policy.json, line {line}: ")), "{told}");
        assert!(told.contains(reason), "{told}");
        assert!(!state.exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn managed_policies_are_versioned_and_attached() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start_with(options(dir.path())).await;
    let allow = |action: &str| {
        json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": action, "Resource": "*"}]})
        .to_string()
    };
    let reads = allow("dynamodb:GetItem");
    let made =
        iam(&cloud, "CreatePolicy", &[("PolicyName", "table"), ("PolicyDocument", &reads)]).await;
    let arn = "arn:aws:iam::000000000000:policy/table";
    assert!(made.text().contains(&format!("<Arn>{arn}</Arn>")), "{}", made.text());
    let again =
        iam(&cloud, "CreatePolicy", &[("PolicyName", "table"), ("PolicyDocument", &reads)]).await;
    assert_eq!((again.status, again.code().as_str()), (409, "EntityAlreadyExists"));
    let broken = [("PolicyName", "b"), ("PolicyDocument", "{")];
    assert_eq!(iam(&cloud, "CreatePolicy", &broken).await.code(), "MalformedPolicyDocument");

    create_role(&cloud).await;
    let attach = [("RoleName", "tester"), ("PolicyArn", arn)];
    assert_eq!(iam(&cloud, "AttachRolePolicy", &attach).await.status, 200);
    let of = [("PolicyArn", arn)];
    assert_eq!(iam(&cloud, "DeletePolicy", &of).await.code(), "DeleteConflict");
    let writes = allow("dynamodb:PutItem");
    let next = [("PolicyArn", arn), ("PolicyDocument", &writes), ("SetAsDefault", "true")];
    let second = iam(&cloud, "CreatePolicyVersion", &next).await;
    assert!(second.text().contains("<VersionId>v2</VersionId>"), "{}", second.text());
    cloud.stop().await;

    let cloud = Cloud::restart_with(options(dir.path())).await;
    let found = iam(&cloud, "GetPolicyVersion", &[("PolicyArn", arn), ("VersionId", "v2")]).await;
    assert!(found.text().contains("dynamodb%3APutItem"), "{}", found.text());
    let entities = iam(&cloud, "ListEntitiesForPolicy", &of).await;
    assert!(entities.text().contains("<RoleName>tester</RoleName>"), "{}", entities.text());
    let listed = iam(&cloud, "ListPolicies", &[("Scope", "Local")]).await.text();
    assert!(listed.contains("<AttachmentCount>1</AttachmentCount>"), "{listed}");
    let attached = iam(&cloud, "ListPolicies", &[("OnlyAttached", "true")]).await.text();
    assert!(!attached.contains("AWSLambdaRole"), "{attached}");

    assert_eq!(iam(&cloud, "DetachRolePolicy", &attach).await.status, 200);
    assert_eq!(iam(&cloud, "DeletePolicy", &of).await.code(), "DeleteConflict");
    let first = [("PolicyArn", arn), ("VersionId", "v1")];
    assert_eq!(iam(&cloud, "DeletePolicyVersion", &first).await.status, 200);
    assert_eq!(iam(&cloud, "DeletePolicy", &of).await.status, 200);
    let gone = iam(&cloud, "GetPolicy", &of).await;
    assert_eq!((gone.status, gone.code().as_str()), (404, "NoSuchEntity"));
    cloud.stop().await;
}

#[tokio::test]
async fn a_new_default_version_decides_at_once_for_every_role_that_has_the_policy() {
    use labdeck_cloud::core::Core;
    use labdeck_cloud::iam::Iam;
    use labdeck_cloud::store::Store;
    use labdeck_cloud::wire::{ApiRequest, Caller};

    let dir = tempfile::tempdir().unwrap();
    let core = Core::new(dir.path(), Store::open(&dir.path().join("cloud.db")).unwrap());
    let iam = Iam::open(core).unwrap();
    let call = async |action: &str, parameters: &[(&str, &str)]| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action).append_pair("Version", "2010-05-08");
        form.extend_pairs(parameters);
        let request = ApiRequest {
            method: http::Method::POST,
            path: "/".to_owned(),
            query: String::new(),
            headers: http::HeaderMap::new(),
            body: form.finish().into(),
            caller: Caller::Operator,
            request_id: String::new(),
        };
        assert_eq!(iam.call(request).await.status().as_u16(), 200, "{action}");
    };
    let allow = |action: &str| {
        json!({"Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}).to_string()
    };
    let arn = "arn:aws:iam::000000000000:policy/table";
    let session = Caller::Session {
        role_arn: "arn:aws:iam::000000000000:role/tester".to_owned(),
        session_name: "f".to_owned(),
    };
    let may =
        |action: &str| iam.authorize(&session, action, "arn:aws:dynamodb:x:y:table/t").is_ok();
    let trust = crate::client::TRUST;
    call("CreateRole", &[("RoleName", "tester"), ("AssumeRolePolicyDocument", trust)]).await;
    let (reads, writes) = (allow("dynamodb:GetItem"), allow("dynamodb:PutItem"));
    call("CreatePolicy", &[("PolicyName", "table"), ("PolicyDocument", &reads)]).await;
    assert!(!may("dynamodb:GetItem"));
    call("AttachRolePolicy", &[("RoleName", "tester"), ("PolicyArn", arn)]).await;
    assert!(may("dynamodb:GetItem") && !may("dynamodb:PutItem"));
    call("CreatePolicyVersion", &[("PolicyArn", arn), ("PolicyDocument", &writes)]).await;
    assert!(may("dynamodb:GetItem"));
    call("SetDefaultPolicyVersion", &[("PolicyArn", arn), ("VersionId", "v2")]).await;
    assert!(!may("dynamodb:GetItem") && may("dynamodb:PutItem"));
}
