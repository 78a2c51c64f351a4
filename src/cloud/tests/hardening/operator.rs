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
