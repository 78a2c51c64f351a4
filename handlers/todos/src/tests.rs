//! The four handlers on a table in memory.
#![allow(clippy::unwrap_used)]

use handler_common::http::Method;
use handler_common::{Page, Service};
use handler_test_support::{Recorded, Tables};
use serde_json::{Value, json};

use super::*;

fn todos() -> (Todos, Tables) {
    let tables = Tables::new(&[("Todos", "id")]);
    (Todos::new(&tables.config(), "Todos".to_owned()), tables)
}

fn call(service: Service) -> Call {
    Call::new(service, "3", "r-1").traced("Root=1-67891233-abcdef012345678912345678;Sampled=1")
}

fn post(body: &Value) -> Request {
    Request::new(Method::POST, "/todos").with_body(&body.to_string())
}

fn with_key(request: Request, key: &str) -> Request {
    request.with_header(create::KEY_HEADER, HeaderValue::from_str(key).unwrap())
}

async fn create(todos: &Todos, request: &Request) -> Reply {
    create::answer(todos, request, &call(create::SERVICE)).await
}

async fn read(todos: &Todos, id: &str) -> Reply {
    let request = Request::new(Method::GET, "/todos/{id}").with_path_parameter("id", id);
    get::answer(todos, &request, &call(get::SERVICE)).await
}

async fn update(todos: &Todos, id: &str, body: &str) -> Reply {
    let request = Request::new(Method::PUT, "/todos/{id}").with_path_parameter("id", id);
    update::answer(todos, &request.with_body(body), &call(update::SERVICE)).await
}

async fn delete(todos: &Todos, id: &str) -> Reply {
    let request = Request::new(Method::DELETE, "/todos/{id}").with_path_parameter("id", id);
    delete::answer(todos, &request, &call(delete::SERVICE)).await
}

/// The todos in the table; keys of creates are not counted.
fn stored(tables: &Tables) -> usize {
    tables.items("Todos").iter().filter(|item| item.get("task").is_some()).count()
}

#[tokio::test]
async fn a_todo_lives_from_create_to_delete() {
    let (todos, tables) = todos();
    let reply = create(&todos, &post(&json!({ "task": "Buy milk" }))).await;
    assert_eq!(reply.status(), 201);
    assert_eq!(reply.body()["message"], "Todo created");
    assert_eq!(reply.headers()["access-control-allow-origin"], "*");
    assert_eq!(reply.headers()[TRACE_HEADER], "1-67891233-abcdef012345678912345678");
    let id = reply.body()["todoId"].as_str().unwrap().to_owned();

    let reply = read(&todos, &id).await;
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.body()["task"], "Buy milk");
    assert_eq!(reply.body()["status"], "pending");
    assert!(reply.body()["createdAt"].as_str().unwrap().ends_with('Z'));

    let reply = update(&todos, &id, r#"{"status":"done"}"#).await;
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.body()["todo"]["task"], "Buy milk");
    assert_eq!(reply.body()["todo"]["status"], "done");
    let reply = update(&todos, &id, r#"{"task":"Buy oat milk","status":"pending"}"#).await;
    assert_eq!(reply.body()["todo"]["task"], "Buy oat milk");

    assert_eq!(delete(&todos, &id).await.status(), 200);
    assert_eq!(delete(&todos, &id).await.status(), 404);
    assert_eq!(read(&todos, &id).await.status(), 404);
    assert_eq!(update(&todos, &id, r#"{"status":"done"}"#).await.status(), 404);
    assert_eq!(stored(&tables), 0, "an update brings nothing back");
}

#[tokio::test]
async fn a_create_with_a_key_is_done_once() {
    let (todos, tables) = todos();
    let body = json!({ "task": "Buy milk" });
    let first = create(&todos, &with_key(post(&body), "k-1")).await;
    assert_eq!(first.status(), 201);
    assert!(first.headers().get(create::REPLAYED_HEADER).is_none());
    // The same body, written differently.
    let spaced = Request::new(Method::POST, "/todos")
        .with_body(" {\"status\": \"pending\",\n \"task\": \"Buy milk\"}");
    let again = create(&todos, &with_key(spaced, "k-1")).await;
    assert_eq!((again.status(), again.body()), (first.status(), first.body()));
    assert_eq!(again.headers()[create::REPLAYED_HEADER], "true");
    assert_eq!(stored(&tables), 1);
    // What became of the todo meanwhile does not matter.
    let id = first.body()["todoId"].as_str().unwrap();
    assert_eq!(update(&todos, id, r#"{"task":"Else"}"#).await.status(), 200);
    assert_eq!(create(&todos, &with_key(post(&body), "k-1")).await.body(), first.body());
    assert_eq!(delete(&todos, id).await.status(), 200);
    assert_eq!(create(&todos, &with_key(post(&body), "k-1")).await.body(), first.body());
    assert_eq!(stored(&tables), 0);

    let other = json!({ "task": "Buy bread" });
    assert_eq!(create(&todos, &with_key(post(&other), "k-1")).await.status(), 409);
    assert_eq!(create(&todos, &with_key(post(&other), "k-2")).await.status(), 201);
    assert_eq!(stored(&tables), 1);
}

#[tokio::test]
async fn creates_that_race_make_one_todo() {
    let (todos, tables) = todos();
    for request in [
        with_key(post(&json!({ "task": "a" })), "race"),
        post(&json!({ "task": "b", "id": "chosen" })),
        with_key(post(&json!({ "task": "c", "id": "both" })), "race-both"),
    ] {
        let before = stored(&tables);
        let (one, two, three) = tokio::join!(
            create(&todos, &request),
            create(&todos, &request),
            create(&todos, &request)
        );
        assert_eq!(one.status(), 201);
        for other in [two, three] {
            assert_eq!((other.status(), other.body()), (one.status(), one.body()));
        }
        assert_eq!(stored(&tables), before + 1);
    }
}

#[tokio::test]
async fn transactions_that_meet_are_tried_again() {
    let met = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"Transaction cancelled, please refer cancellation reasons for specific reasons [TransactionConflict, None]","CancellationReasons":[{"Code":"TransactionConflict","Message":"Transaction is ongoing for the item"},{"Code":"None"}]}"#;
    let recorded = Recorded::new(&[(400, met), (400, met), (200, "{}")]);
    let todos = Todos::new(&recorded.config(), "Todos".to_owned());
    let request = with_key(post(&json!({ "task": "a" })), "k");
    assert_eq!(create(&todos, &request).await.status(), 201);
    assert_eq!(recorded.requests().len(), 3);
    let recorded = Recorded::new(&[(400, met); 6]);
    let todos = Todos::new(&recorded.config(), "Todos".to_owned());
    assert_eq!(create(&todos, &request).await.status(), 503);
}

#[tokio::test]
async fn an_id_that_the_client_chose_is_used_once() {
    let (todos, tables) = todos();
    let body = json!({ "task": "Buy milk", "id": "my-todo_1" });
    for _ in 0..2 {
        let reply = create(&todos, &post(&body)).await;
        assert_eq!(reply.status(), 201);
        assert_eq!(reply.body()["todoId"], "my-todo_1");
    }
    let other = json!({ "task": "Buy bread", "id": "my-todo_1" });
    assert_eq!(create(&todos, &post(&other)).await.status(), 409);
    assert_eq!(create(&todos, &with_key(post(&other), "fresh")).await.status(), 409);
    // The key of a create that was refused is still free.
    assert_eq!(create(&todos, &with_key(post(&body), "fresh")).await.status(), 201);
    assert_eq!(stored(&tables), 1);
    assert_eq!(read(&todos, "my-todo_1").await.body()["task"], "Buy milk");
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_todo() {
    let (todos, tables) = todos();
    for (operation, request) in [
        ("PutItem", post(&json!({ "task": "a" }))),
        ("PutItem", post(&json!({ "task": "b", "id": "b" }))),
        ("TransactWriteItems", with_key(post(&json!({ "task": "c" })), "k")),
    ] {
        let before = stored(&tables);
        tables.lose_answer(operation);
        let reply = create(&todos, &request).await;
        assert_eq!(reply.status(), 201, "{operation}");
        assert_eq!(stored(&tables), before + 1, "{operation}");
        let id = reply.body()["todoId"].as_str().unwrap();
        assert_eq!(read(&todos, id).await.status(), 200);
    }
    // A delete whose answer is lost is not said to have found nothing.
    tables.lose_answer("DeleteItem");
    assert_eq!(delete(&todos, "b").await.status(), 503);
    assert_eq!(delete(&todos, "b").await.status(), 404);
}

#[tokio::test]
async fn what_is_no_todo_gets_400() {
    let (todos, tables) = todos();
    let long = "t".repeat(fields::MOST_TASK_CHARACTERS + 1);
    let long = json!({ "task": long }).to_string();
    let id = json!({ "task": "a", "id": "i".repeat(65) }).to_string();
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"task":""}"#,
        r#"{"task":" "}"#,
        r#"{"task":7}"#,
        r#"{"task":null}"#,
        &long,
        r#"{"task":"a","status":"later"}"#,
        r#"{"task":"a","status":null}"#,
        r#"{"task":"a","id":""}"#,
        r#"{"task":"a","id":"key#1"}"#,
        r#"{"task":"a","id":7}"#,
        &id,
    ] {
        let request = Request::new(Method::POST, "/todos").with_body(body);
        let call = call(create::SERVICE);
        let reply = create::answer(&todos, &request, &call).await;
        assert_eq!(reply.status(), 400, "{body}");
        assert!(reply.body()["message"].is_string());
        assert_eq!(call.counted(BAD_REQUESTS), 1);
    }
    for body in ["", "{", "[]", "{}", r#"{"id":"b"}"#, r#"{"task":""}"#, r#"{"status":"x"}"#, &long]
    {
        assert_eq!(update(&todos, "a", body).await.status(), 400, "{body}");
    }
    let request = post(&json!({ "task": "a" }));
    let two = with_key(with_key(request.clone(), "a"), "b");
    for request in [with_key(request.clone(), " "), with_key(request, &"k".repeat(256)), two] {
        assert_eq!(create(&todos, &request).await.status(), 400);
    }
    assert_eq!(stored(&tables), 0);
    let longest = json!({ "task": "ü".repeat(fields::MOST_TASK_CHARACTERS) });
    assert_eq!(create(&todos, &post(&longest)).await.status(), 201);
}

#[tokio::test]
async fn todos_are_listed_in_pages_without_keys() {
    let (todos, _) = todos();
    let mut made = Vec::new();
    for n in 0..7 {
        let body = json!({ "task": format!("task {n}") });
        let reply = create(&todos, &with_key(post(&body), &format!("k-{n}"))).await;
        made.push(reply.body()["todoId"].clone());
    }
    let mut listed = Vec::new();
    let mut request = Request::new(Method::GET, "/todos").with_query("limit", &["3"]);
    let mut pages = 0;
    loop {
        pages += 1;
        let reply = get::answer(&todos, &request, &call(get::SERVICE)).await;
        assert_eq!(reply.status(), 200);
        let todos = reply.body()["todos"].as_array().unwrap();
        assert!(pages > 1 || todos.len() <= 3);
        listed.extend(todos.iter().map(|todo| todo["id"].clone()));
        let Some(next) = reply.body()["next"].as_str() else { break };
        request = Request::new(Method::GET, "/todos").with_query("next", &[next]);
    }
    assert!(pages > 1);
    let sort = |mut ids: Vec<Value>| {
        ids.sort_by_key(ToString::to_string);
        ids
    };
    assert_eq!(sort(listed), sort(made));
    let wrong = Request::new(Method::GET, "/todos").with_query("limit", &["0"]);
    assert_eq!(get::answer(&todos, &wrong, &call(get::SERVICE)).await.status(), 400);
    // A token that leads nowhere is no error, and shows nothing that is not a todo.
    let token = Page::token("key#");
    let odd = Request::new(Method::GET, "/todos").with_query("next", &[&token]);
    assert_eq!(get::answer(&todos, &odd, &call(get::SERVICE)).await.status(), 200);
}

#[tokio::test]
async fn ids_that_no_todo_has_are_not_looked_for() {
    let (todos, tables) = todos();
    create(&todos, &with_key(post(&json!({ "task": "a" })), "k")).await;
    let key = tables.items("Todos").into_iter().find(|item| item.get("task").is_none()).unwrap();
    let key = key["id"]["S"].as_str().unwrap().to_owned();
    for id in [key.as_str(), "", "a b", "ü", &"i".repeat(65)] {
        assert_eq!(read(&todos, id).await.status(), 404, "{id}");
        assert_eq!(update(&todos, id, r#"{"status":"done"}"#).await.status(), 404, "{id}");
        assert_eq!(delete(&todos, id).await.status(), 404, "{id}");
    }
    assert_eq!(stored(&tables), 1);
}

#[tokio::test]
async fn a_failing_table_is_a_503_that_tells_the_caller_nothing() {
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"User: arn:aws:sts::111122223333:assumed-role/todos is not authorized to perform: dynamodb:PutItem"}"#;
    let recorded = Recorded::new(&[(400, denied); 6]);
    let todos = Todos::new(&recorded.config(), "Todos".to_owned());
    let list = Request::new(Method::GET, "/todos");
    for reply in [
        create(&todos, &post(&json!({ "task": "a" }))).await,
        create(&todos, &with_key(post(&json!({ "task": "a" })), "k")).await,
        read(&todos, "a").await,
        get::answer(&todos, &list, &call(get::SERVICE)).await,
        update(&todos, "a", r#"{"status":"done"}"#).await,
        delete(&todos, "a").await,
    ] {
        assert_eq!(reply.status(), 503);
        assert_eq!(reply.headers()["retry-after"], "5");
        for secret in ["arn", "dynamodb", "AccessDenied"] {
            assert!(!reply.body().to_string().contains(secret));
        }
    }
}
