//! `Put`-, `Update`-, `Get`-, `Delete`- and `ListFunctionEventInvokeConfig(s)`: what becomes of
//! asynchronous invocations.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::error::AwsError;
use crate::protocol::{empty, json_answer};
use crate::wire::{Answer, ApiRequest};

use super::Lambda;
use super::destinations::{Moment, check_arn};
use super::errors::{invalid_parameter, not_found};
use super::input::{body, page, within};
use super::model::{EventInvokeConfig, Function};
use super::names::{FunctionName, LATEST, qualified_arn};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ConfigInput {
    maximum_retry_attempts: Option<i64>,
    maximum_event_age_in_seconds: Option<i64>,
    destination_config: Option<DestinationsInput>,
}

/// `DestinationConfig`. An outer `None` is a member that was not sent.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DestinationsInput {
    /// What is told of a success.
    #[serde(deserialize_with = "sent")]
    pub on_success: Option<DestinationInput>,
    /// What is told of a failure.
    #[serde(deserialize_with = "sent")]
    pub on_failure: Option<DestinationInput>,
}

/// `OnSuccess` and `OnFailure`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DestinationInput {
    /// An ARN; empty for none.
    pub destination: Option<String>,
}

/// `null` is as good as an empty structure.
fn sent<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DestinationInput>, D::Error> {
    Ok(Some(Option::<DestinationInput>::deserialize(from)?.unwrap_or_default()))
}

impl DestinationInput {
    /// The ARN, where there is one.
    pub fn arn(&self) -> Option<String> {
        self.destination.clone().filter(|arn| !arn.is_empty())
    }
}

impl ConfigInput {
    fn check(&self) -> Result<(), AwsError> {
        within(self.maximum_retry_attempts, "maximumRetryAttempts", 0, 2)?;
        within(self.maximum_event_age_in_seconds, "maximumEventAgeInSeconds", 60, 21_600)?;
        if let Some(config) = &self.destination_config {
            let checked = [("onSuccess", &config.on_success), ("onFailure", &config.on_failure)];
            for (side, input) in checked {
                if let Some(arn) = input.as_ref().and_then(DestinationInput::arn) {
                    check_arn(&arn, &format!("destinationConfig.{side}.destination"))?;
                }
            }
        }
        let nothing = self.maximum_retry_attempts.is_none()
            && self.maximum_event_age_in_seconds.is_none()
            && self.destination_config.is_none();
        if nothing {
            return Err(invalid_parameter(
                "You must specify at least one of error handling or destination setting.",
            ));
        }
        Ok(())
    }

    /// Writes what was sent into a configuration. The ranges were checked before.
    fn apply(&self, config: &mut EventInvokeConfig, now_ms: i64) {
        let number = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
        if let Some(attempts) = self.maximum_retry_attempts {
            config.maximum_retry_attempts = Some(number(attempts));
        }
        if let Some(age) = self.maximum_event_age_in_seconds {
            config.maximum_event_age_seconds = Some(number(age));
        }
        if let Some(destinations) = &self.destination_config {
            if let Some(input) = &destinations.on_success {
                config.on_success = input.arn();
            }
            if let Some(input) = &destinations.on_failure {
                config.on_failure = input.arn();
            }
        }
        config.modified_ms = now_ms;
    }
}

impl Lambda {
    pub(super) async fn put_event_config(
        &self,
        request: &ApiRequest,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        self.write_event_config(request, name, |_, _| Ok(EventInvokeConfig::default())).await
    }

    pub(super) async fn update_event_config(
        &self,
        request: &ApiRequest,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        self.write_event_config(request, name, |function, key| {
            function.event_invoke.get(key).cloned().ok_or_else(|| no_config(name))
        })
        .await
    }

    async fn write_event_config(
        &self,
        request: &ApiRequest,
        name: &FunctionName,
        before: impl FnOnce(&Function, &str) -> Result<EventInvokeConfig, AwsError>,
    ) -> Result<Answer, AwsError> {
        let input: ConfigInput = body(request)?;
        input.check()?;
        let function = self.registry.find(&name.name).ok_or_else(no_function)?;
        let c = function.resolve(name.qualifier.as_deref()).ok_or_else(no_function)?;
        if let Some(destinations) = &input.destination_config {
            let arn = |input: &Option<DestinationInput>| input.as_ref()?.arn();
            let (success, failure) = (arn(&destinations.on_success), arn(&destinations.on_failure));
            for target in success.iter().chain(&failure) {
                self.check_destination(target, &c.role, &name.name, Moment::Asynchronous).map_err(
                    |refusal| refusal.into_error(success.as_deref(), failure.as_deref()),
                )?;
            }
        }
        let now = self.core.now_millis();
        let key = key(name);
        let shown = self
            .registry
            .update(&name.name, |function| {
                let mut config = before(function, key)?;
                input.apply(&mut config, now);
                let shown = show(&name.name, key, &config);
                function.event_invoke.insert(key.to_owned(), config);
                Ok(shown)
            })
            .await?;
        Ok(json_answer(200, &shown))
    }

    pub(super) fn get_event_config(&self, name: &FunctionName) -> Result<Answer, AwsError> {
        let key = key(name);
        let function = self.registry.find(&name.name).ok_or_else(|| no_config(name))?;
        let config = function.event_invoke.get(key).ok_or_else(|| no_config(name))?;
        Ok(json_answer(200, &show(&name.name, key, config)))
    }

    pub(super) async fn delete_event_config(
        &self,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        self.registry.find(&name.name).ok_or_else(|| no_config(name))?;
        self.registry
            .update(&name.name, |function| {
                function.event_invoke.remove(key(name)).map(drop).ok_or_else(|| no_config(name))
            })
            .await?;
        Ok(empty(204))
    }

    pub(super) fn list_event_configs(
        &self,
        request: &ApiRequest,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        let function = self.registry.find(&name.name).ok_or_else(no_function)?;
        let most = request.query_value("MaxItems").and_then(|text| text.parse().ok());
        within(most, "maxItems", 1, 50)?;
        let items = function
            .event_invoke
            .iter()
            .map(|(key, config)| (key.clone(), show(&name.name, key, config)))
            .collect();
        let marker = request.query_value("Marker");
        let most = most.map_or(50, |most| most as usize);
        let (shown, next) = page(items, marker.as_deref(), most);
        let mut answer = json!({ "FunctionEventInvokeConfigs": shown });
        if let Some(next) = next {
            answer["NextMarker"] = next.into();
        }
        Ok(json_answer(200, &answer))
    }
}

fn key(name: &FunctionName) -> &str {
    name.qualifier.as_deref().unwrap_or(LATEST)
}

fn show(name: &str, key: &str, config: &EventInvokeConfig) -> Value {
    let mut out = Map::new();
    out.insert("LastModified".to_owned(), (config.modified_ms as f64 / 1000.0).into());
    out.insert("FunctionArn".to_owned(), qualified_arn(name, Some(key)).into());
    if let Some(attempts) = config.maximum_retry_attempts {
        out.insert("MaximumRetryAttempts".to_owned(), attempts.into());
    }
    if let Some(age) = config.maximum_event_age_seconds {
        out.insert("MaximumEventAgeInSeconds".to_owned(), age.into());
    }
    let side = |arn: &Option<String>| match arn {
        Some(arn) => json!({ "Destination": arn }),
        None => json!({}),
    };
    out.insert(
        "DestinationConfig".to_owned(),
        json!({ "OnSuccess": side(&config.on_success), "OnFailure": side(&config.on_failure) }),
    );
    Value::Object(out)
}

fn no_config(name: &FunctionName) -> AwsError {
    let arn = qualified_arn(&name.name, Some(key(name)));
    not_found(format!("The function {arn} doesn't have an EventInvokeConfig"))
}

fn no_function() -> AwsError {
    not_found("The function doesn't exist.")
}
