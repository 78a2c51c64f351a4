//! Steps on APIs, deployments and stages.

use aws_sdk_apigateway::primitives::Blob;
use aws_sdk_apigateway::types::{Op, PatchOperation, PutMode};
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::blueprint::Stage;

use super::definition::deployment_description;
use super::planner::stage_variables;
use super::steps::{StepRun, missing};
use super::wanted::WantedApi;
use crate::live::{LAB_TAG, existing};

impl StepRun {
    fn wanted_api(&self, name: &str) -> Result<&WantedApi> {
        self.context
            .wanted
            .apis
            .iter()
            .find(|api| api.name == name)
            .ok_or_else(|| missing("API", name))
    }

    fn wanted_stage(&self, name: &str) -> Result<&Stage> {
        self.context
            .wanted
            .stages
            .iter()
            .find(|stage| stage.name == name)
            .ok_or_else(|| missing("stage", name))
    }

    pub(super) async fn import_api(&self, name: &str) -> Result<()> {
        let what = format!("importing API {name}");
        let body = Blob::new(self.wanted_api(name)?.definition.document.to_string());
        let made = self
            .patiently(|| async {
                self.announce_budget("ImportRestApi");
                self.target()
                    .apigateway()
                    .import_rest_api()
                    .fail_on_warnings(true)
                    .parameters("endpointConfigurationTypes", "REGIONAL")
                    .body(body.clone())
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(&what, &e))
            })
            .await?;
        let id = made
            .id
            .ok_or_else(|| Failure::new(FailureKind::Service, what, "the answer names no id"))?;
        self.context.set_api_id(name, id);
        Ok(())
    }

    pub(super) async fn put_api(&self, name: &str) -> Result<()> {
        let id = self.context.api_id(name)?;
        let body = Blob::new(self.wanted_api(name)?.definition.document.to_string());
        self.patiently(|| async {
            self.announce_budget("PutRestApi");
            self.target()
                .apigateway()
                .put_rest_api()
                .rest_api_id(&id)
                .mode(PutMode::Overwrite)
                .fail_on_warnings(true)
                .body(body.clone())
                .send()
                .await
                .map_err(|e| Failure::from_sdk(format!("updating API {name}"), &e))
        })
        .await
        .map(|_| ())
    }

    pub(super) async fn tag_api(&self, name: &str) -> Result<()> {
        let arn = self.context.wanted.place.rest_api(&self.context.api_id(name)?);
        self.patiently(|| async {
            self.target()
                .apigateway()
                .tag_resource()
                .resource_arn(&arn)
                .tags(LAB_TAG, &self.context.wanted.lab)
                .send()
                .await
                .map_err(|e| Failure::from_sdk(format!("tagging API {name}"), &e))
        })
        .await
        .map(|_| ())
    }

    pub(super) async fn create_deployment(&self, name: &str) -> Result<()> {
        let what = format!("deploying API {name}");
        let id = self.context.api_id(name)?;
        let description = deployment_description(&self.wanted_api(name)?.definition.hash);
        let made = self
            .patiently(|| async {
                self.announce_budget("CreateDeployment");
                self.target()
                    .apigateway()
                    .create_deployment()
                    .rest_api_id(&id)
                    .description(&description)
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(&what, &e))
            })
            .await?;
        let deployment = made
            .id
            .ok_or_else(|| Failure::new(FailureKind::Service, what, "the answer names no id"))?;
        self.context.set_deployment(name, deployment);
        Ok(())
    }

    pub(super) async fn create_stage(&self, api: &str, stage: &str) -> Result<()> {
        let id = self.context.api_id(api)?;
        let deployment = self.context.deployment(api)?;
        let wanted = self.wanted_stage(stage)?;
        let made = self
            .patiently(|| async {
                self.target()
                    .apigateway()
                    .create_stage()
                    .rest_api_id(&id)
                    .stage_name(stage)
                    .deployment_id(&deployment)
                    .set_variables(Some(stage_variables(wanted).into_iter().collect()))
                    .tags(LAB_TAG, &self.context.wanted.lab)
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(format!("creating stage {api}/{stage}"), &e))
            })
            .await;
        match made {
            Ok(_) => Ok(()),
            // Made by the attempt before, whose answer was lost.
            Err(failure)
                if failure.kind == FailureKind::Conflict
                    && failure.why.contains("already exists") =>
            {
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn update_stage(&self, api: &str, stage: &str, moves: bool) -> Result<()> {
        let id = self.context.api_id(api)?;
        let replace = |path: String, value: String| {
            PatchOperation::builder().op(Op::Replace).path(path).value(value).build()
        };
        let mut patch: Vec<PatchOperation> = stage_variables(self.wanted_stage(stage)?)
            .into_iter()
            .map(|(name, value)| replace(format!("/variables/{name}"), value))
            .collect();
        if moves {
            patch.push(replace("/deploymentId".to_owned(), self.context.deployment(api)?));
        }
        self.patiently(|| async {
            self.target()
                .apigateway()
                .update_stage()
                .rest_api_id(&id)
                .stage_name(stage)
                .set_patch_operations(Some(patch.clone()))
                .send()
                .await
                .map_err(|e| Failure::from_sdk(format!("updating stage {api}/{stage}"), &e))
        })
        .await
        .map(|_| ())
    }

    pub(super) async fn delete_api(&self, id: &str) -> Result<()> {
        self.patiently(|| async {
            self.announce_budget("DeleteRestApi");
            let done = self.target().apigateway().delete_rest_api().rest_api_id(id).send().await;
            existing(done.map_err(|e| Failure::from_sdk(format!("deleting API {id}"), &e)))
        })
        .await
        .map(|_| ())
    }
}
