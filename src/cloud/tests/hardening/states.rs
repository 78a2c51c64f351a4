//! State directories of other versions: older ones are opened, newer ones are left alone.

use std::collections::BTreeMap;
use std::path::Path;

use labdeck_cloud::lifecycle::{StartError, run_until};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::client::{call, iam, options, target};
use crate::support::Cloud;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a directory with its bytes.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            let below = contents(&entry.path()).into_iter();
            all.extend(below.map(|(path, bytes)| (format!("{name}/{path}"), bytes)));
        } else {
            all.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
    all
}

fn state(version: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/states").join(version)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_of_version_one_opens_with_everything_in_it() {
    let dir = tempfile::tempdir().unwrap();
    copy(&state("v1"), dir.path());
    let cloud = Cloud::start_with(options(dir.path())).await;
    let (_, status) = cloud.admin("GET", "status", "").await;
    assert_eq!(status["notices"], json!([]), "nothing was damaged");

    let function =
        call(&cloud, "GET", "/2015-03-31/functions/greet:prod", &Value::Null).await.json();
    assert_eq!(function["Configuration"]["Version"], "1", "{function}");
    assert_eq!(function["Configuration"]["MemorySize"], 256);
    assert_eq!(function["Configuration"]["Environment"]["Variables"]["TABLE"], "visits");
    assert_eq!(function["Tags"]["lab"], "greet");
    let policy = "/2015-03-31/functions/greet/policy?Qualifier=prod";
    assert!(
        call(&cloud, "GET", policy, &Value::Null).await.text().contains("apigateway.amazonaws.com")
    );

    let role = iam(&cloud, "GetRole", &[("RoleName", "greet-role")]).await.text();
    assert!(role.contains("<Description>runs greet</Description>"), "{role}");
    let attached = iam(&cloud, "ListAttachedRolePolicies", &[("RoleName", "greet-role")]).await;
    assert!(attached.text().contains("AWSLambdaBasicExecutionRole"), "{}", attached.text());

    let apis = call(&cloud, "GET", "/restapis", &Value::Null).await.json();
    assert_eq!(apis["item"][0]["name"], "greet-api", "{apis}");
    let id = apis["item"][0]["id"].as_str().unwrap();
    let path = format!("/restapis/{id}/prod/_user_request_/greet");
    assert_eq!(call(&cloud, "GET", &path, &Value::Null).await.json(), json!({"hello": "world"}));

    let group = json!({"logGroupName": "/aws/lambda/greet"});
    let events = target(&cloud, "Logs_20140328.FilterLogEvents", &group).await.json();
    assert_eq!(events["events"][0]["message"], "hello from the first version", "{events}");
    let key = json!({"TableName": "visits", "Key": {"user_id": {"S": "ada"}}});
    let item = target(&cloud, "DynamoDB_20120810.GetItem", &key).await.json();
    assert_eq!(item["Item"]["count"]["N"], "7", "{item}");

    // And it is a state to work on.
    let published = call(&cloud, "POST", "/2015-03-31/functions/greet/versions", &json!({})).await;
    assert_eq!(published.status, 201, "{}", published.text());
    cloud.stop().await;
}

#[tokio::test]
async fn a_state_of_a_newer_version_is_refused_and_left_as_it_is() {
    for name in ["cloud.db", "logs.db", "dynamodb.db"] {
        let dir = tempfile::tempdir().unwrap();
        copy(&state("v1"), dir.path());
        let newer = rusqlite::Connection::open(dir.path().join(name)).unwrap();
        newer.pragma_update(None, "user_version", 99).unwrap();
        drop(newer);
        let before = contents(dir.path());
        let refused = run_until(options(dir.path()), CancellationToken::new()).await.unwrap_err();
        assert!(matches!(refused, StartError::Newer { found: 99, .. }), "{refused:?}");
        let told = refused.to_string();
        assert!(told.contains(name) && told.contains("newer version of labdeck"), "{told}");
        assert!(told.contains("--state-dir"), "{told}");
        assert!(contents(dir.path()) == before, "something was touched");
    }
}
