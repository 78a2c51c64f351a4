//! IAM's API for the policies of roles: inline ones, and the managed ones that can be attached.

use super::api::{Page, check_name, no_such_entity, url_encoded};
use super::managed;
use super::policy::{Kind, Policy};
use super::{Iam, role::RoleDocument};
use crate::error::AwsError;
use crate::protocol::{Form, Xml};

/// Bytes of all inline policies of a role together, without whitespace.
const INLINE_POLICIES_SIZE: usize = 10_240;
const ATTACHED_POLICIES: usize = 10;

impl Iam {
    pub(super) async fn policy_operation(
        &self,
        action: &str,
        form: &Form,
    ) -> Result<Xml, AwsError> {
        match action {
            "PutRolePolicy" => self.put_role_policy(form).await,
            "GetRolePolicy" => self.get_role_policy(form),
            "ListRolePolicies" => self.list_role_policies(form),
            "DeleteRolePolicy" => self.delete_role_policy(form).await,
            "AttachRolePolicy" => self.attach_role_policy(form).await,
            "DetachRolePolicy" => self.detach_role_policy(form).await,
            "ListAttachedRolePolicies" => self.list_attached(form),
            _ => Err(AwsError::not_implemented("IAM", action)),
        }
    }

    async fn put_role_policy(&self, form: &Form) -> Result<Xml, AwsError> {
        let name = form.required("PolicyName")?;
        check_name("policyName", name, 128)?;
        let document = form.required("PolicyDocument")?;
        Policy::parse(document, Kind::Identity)?;
        let _writing = self.writing.lock().await;
        let mut role = self.required_role(form)?;
        role.inline.insert(name.to_owned(), document.to_owned());
        let size: usize = role
            .inline
            .values()
            .map(|text| text.chars().filter(|c| !c.is_whitespace()).count())
            .sum();
        if size > INLINE_POLICIES_SIZE {
            return Err(AwsError::new(
                409,
                "LimitExceeded",
                format!(
                    "Maximum policy size of {INLINE_POLICIES_SIZE} bytes exceeded for role {}",
                    role.name
                ),
            ));
        }
        self.save(role).await?;
        Ok(Xml::default())
    }

    fn get_role_policy(&self, form: &Form) -> Result<Xml, AwsError> {
        let role = self.required_role(form)?;
        let name = form.required("PolicyName")?;
        let document = role.inline.get(name).ok_or_else(|| no_such_policy(name))?;
        let mut xml = Xml::default();
        xml.text("RoleName", &role.name)
            .text("PolicyName", name)
            .text("PolicyDocument", &url_encoded(document));
        Ok(xml)
    }

    fn list_role_policies(&self, form: &Form) -> Result<Xml, AwsError> {
        let role = self.required_role(form)?;
        let names: Vec<&str> = role.inline.keys().map(String::as_str).collect();
        Ok(Page::read(form)?.write_texts("PolicyNames", &names))
    }

    async fn delete_role_policy(&self, form: &Form) -> Result<Xml, AwsError> {
        let name = form.required("PolicyName")?;
        let _writing = self.writing.lock().await;
        let mut role = self.required_role(form)?;
        if role.inline.remove(name).is_none() {
            return Err(no_such_policy(name));
        }
        self.save(role).await?;
        Ok(Xml::default())
    }

    async fn attach_role_policy(&self, form: &Form) -> Result<Xml, AwsError> {
        let arn = form.required("PolicyArn")?;
        let _writing = self.writing.lock().await;
        let mut role = self.required_role(form)?;
        if self.managed_document(arn).is_none() {
            if arn.starts_with("arn:aws:iam::aws:policy/") {
                // It may well exist on AWS; here nothing is known of what it allows.
                return Err(AwsError::not_implemented(
                    "IAM",
                    &format!("AttachRolePolicy of {arn}"),
                ));
            }
            return Err(no_such_entity(format!(
                "Policy {arn} does not exist or is not attachable."
            )));
        }
        role.attached.insert(arn.to_owned());
        if role.attached.len() > ATTACHED_POLICIES {
            return Err(AwsError::new(
                409,
                "LimitExceeded",
                format!("Cannot exceed quota for PoliciesPerRole: {ATTACHED_POLICIES}"),
            ));
        }
        self.save(role).await?;
        Ok(Xml::default())
    }

    async fn detach_role_policy(&self, form: &Form) -> Result<Xml, AwsError> {
        let arn = form.required("PolicyArn")?;
        let _writing = self.writing.lock().await;
        let mut role = self.required_role(form)?;
        if !role.attached.remove(arn) {
            return Err(no_such_entity(format!("Policy {arn} was not found.")));
        }
        self.save(role).await?;
        Ok(Xml::default())
    }

    fn list_attached(&self, form: &Form) -> Result<Xml, AwsError> {
        let role: RoleDocument = self.required_role(form)?;
        let arns: Vec<&String> = role.attached.iter().collect();
        Ok(Page::read(form)?.write(
            "AttachedPolicies",
            &arns,
            |arn| arn,
            |xml, arn| {
                xml.text("PolicyName", managed::name(arn)).text("PolicyArn", arn);
            },
        ))
    }
}

fn no_such_policy(name: &str) -> AwsError {
    no_such_entity(format!("The role policy with name {name} cannot be found."))
}
