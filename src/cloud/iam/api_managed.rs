//! IAM's API for managed policies: the account's own and their versions, and AWS's to read.
//!
//! Messages follow IAM's API reference and its documented quotas ("IAM and STS quotas").

use std::collections::BTreeMap;
use std::sync::PoisonError;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Iam;
use super::api::{
    Page, check_name, check_path, description, no_such_entity, read_tags, url_encoded,
};
use super::managed::{self, OF_AWS, PolicyDocument, PolicyVersion};
use super::policy::{Kind, Policy};
use super::session::random_id;
use crate::core::ACCOUNT_ID;
use crate::error::AwsError;
use crate::protocol::{Form, Xml};

/// Characters of a managed policy without whitespace (quota `PolicySize`).
const POLICY_SIZE: usize = 6144;
/// Versions of one policy.
const VERSIONS: usize = 5;
/// Managed policies of an account.
const POLICIES: usize = 1500;
const TAGS_PER_POLICY: usize = 50;

/// The operations of this file.
pub(super) const OPERATIONS: [&str; 13] = [
    "CreatePolicy",
    "GetPolicy",
    "DeletePolicy",
    "ListPolicies",
    "CreatePolicyVersion",
    "GetPolicyVersion",
    "ListPolicyVersions",
    "DeletePolicyVersion",
    "SetDefaultPolicyVersion",
    "ListEntitiesForPolicy",
    "TagPolicy",
    "UntagPolicy",
    "ListPolicyTags",
];

impl Iam {
    pub(super) async fn managed_operation(
        &self,
        action: &str,
        form: &Form,
    ) -> Result<Xml, AwsError> {
        match action {
            "CreatePolicy" => self.create_policy(form).await,
            "GetPolicy" => self.get_policy(form),
            "DeletePolicy" => self.delete_policy(form).await,
            "ListPolicies" => self.list_policies(form),
            "CreatePolicyVersion" => self.create_version(form).await,
            "GetPolicyVersion" => self.get_version(form),
            "ListPolicyVersions" => self.list_versions(form),
            "DeletePolicyVersion" => self.delete_version(form).await,
            "SetDefaultPolicyVersion" => self.set_default_version(form).await,
            "ListEntitiesForPolicy" => self.list_entities(form),
            "TagPolicy" => self.tag_policy(form).await,
            "UntagPolicy" => self.untag_policy(form).await,
            "ListPolicyTags" => self.list_policy_tags(form),
            _ => Err(AwsError::not_implemented("IAM", action)),
        }
    }

    /// The document of a managed policy that can be attached.
    pub(super) fn managed_document(&self, arn: &str) -> Option<String> {
        if let Some(policy) = managed::of_aws(arn) {
            return Some(policy.document.to_owned());
        }
        self.policy(arn).map(|policy| policy.document().to_owned())
    }

    async fn create_policy(&self, form: &Form) -> Result<Xml, AwsError> {
        let name = form.required("PolicyName")?;
        check_name("policyName", name, 128)?;
        let path = form.get("Path").unwrap_or("/");
        check_path(path)?;
        let document = form.required("PolicyDocument")?;
        check_document(document)?;
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let policy = PolicyDocument {
            name: name.to_owned(),
            path: path.to_owned(),
            id: random_id("ANPA", 17),
            arn: format!("arn:aws:iam::{ACCOUNT_ID}:policy{path}{name}"),
            description: description(form)?,
            created: now,
            updated: now,
            default: 1,
            last: 1,
            versions: BTreeMap::from([(
                1,
                PolicyVersion { document: document.to_owned(), created: now },
            )]),
            tags: read_tags(form)?.into_iter().collect(),
        };
        let _writing = self.writing.lock().await;
        let all = self.policies();
        if all.iter().any(|known| known.name.eq_ignore_ascii_case(name)) {
            return Err(AwsError::new(
                409,
                "EntityAlreadyExists",
                format!("A policy called {name} already exists. Duplicate names are not allowed."),
            ));
        }
        if all.len() >= POLICIES {
            return Err(limit(format!("Cannot exceed quota for PoliciesPerAccount: {POLICIES}")));
        }
        let mut xml = Xml::default();
        xml.element("Policy", |xml| self.policy_fields(xml, &policy, true));
        self.save_policy(policy).await?;
        Ok(xml)
    }

    fn get_policy(&self, form: &Form) -> Result<Xml, AwsError> {
        let arn = form.required("PolicyArn")?;
        let mut xml = Xml::default();
        if let Some(policy) = managed::of_aws(arn) {
            xml.element("Policy", |xml| self.fields_of_aws(xml, policy));
        } else {
            let policy = self.required_policy(form)?;
            xml.element("Policy", |xml| self.policy_fields(xml, &policy, true));
        }
        Ok(xml)
    }

    async fn delete_policy(&self, form: &Form) -> Result<Xml, AwsError> {
        let _writing = self.writing.lock().await;
        let policy = self.own_policy(form)?;
        if !self.attached_to(&policy.arn).is_empty() {
            return Err(conflict("Cannot delete a policy attached to entities."));
        }
        if policy.versions.len() > 1 {
            return Err(conflict(
                "This policy has more than one version. Before you delete a policy, you must \
                 delete the policy's versions. The default version is deleted with the policy.",
            ));
        }
        self.remove_policy(&policy.arn).await?;
        Ok(Xml::default())
    }

    fn list_policies(&self, form: &Form) -> Result<Xml, AwsError> {
        let prefix = form.get("PathPrefix").unwrap_or("/");
        let only_attached = form.get("OnlyAttached") == Some("true");
        let (own, of_aws) = match form.get("Scope") {
            None | Some("All") => (true, true),
            Some("Local") => (true, false),
            Some("AWS") => (false, true),
            Some(other) => {
                return Err(AwsError::new(
                    400,
                    "ValidationError",
                    format!(
                        "1 validation error detected: Value '{other}' at 'scope' failed to \
                         satisfy constraint: Member must satisfy enum value set: [All, Local, AWS]"
                    ),
                ));
            }
        };
        let mut list: Vec<(String, Xml)> = Vec::new();
        let mut add = |arn: String, path: &str, fields: &dyn Fn(&mut Xml)| {
            let wanted =
                path.starts_with(prefix) && (!only_attached || !self.attached_to(&arn).is_empty());
            if wanted {
                let mut xml = Xml::default();
                fields(&mut xml);
                list.push((arn, xml));
            }
        };
        if of_aws {
            for policy in managed::KNOWN {
                let (path, _) = split_path(policy.path_and_name);
                let arn = format!("{OF_AWS}{}", policy.path_and_name);
                add(arn, &path, &|xml| self.fields_of_aws(xml, policy));
            }
        }
        if own {
            for policy in self.policies() {
                add(policy.arn.clone(), &policy.path, &|xml| {
                    self.policy_fields(xml, &policy, false);
                });
            }
        }
        list.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Page::read(form)?.write(
            "Policies",
            &list,
            |(arn, _)| arn,
            |xml, (_, fields)| {
                xml.append(fields);
            },
        ))
    }

    async fn create_version(&self, form: &Form) -> Result<Xml, AwsError> {
        let document = form.required("PolicyDocument")?;
        check_document(document)?;
        let _writing = self.writing.lock().await;
        let mut policy = self.own_policy(form)?;
        if policy.versions.len() >= VERSIONS {
            return Err(limit(format!(
                "A managed policy can have up to {VERSIONS} versions. Before you create a new \
                 version, you must delete an existing version."
            )));
        }
        let now = OffsetDateTime::now_utc().unix_timestamp();
        policy.last += 1;
        let version = PolicyVersion { document: document.to_owned(), created: now };
        policy.versions.insert(policy.last, version);
        if form.get("SetAsDefault") == Some("true") {
            policy.default = policy.last;
        }
        policy.updated = now;
        let mut xml = Xml::default();
        xml.element("PolicyVersion", |xml| version_fields(xml, &policy, policy.last, false));
        self.save_policy(policy).await?;
        Ok(xml)
    }

    fn get_version(&self, form: &Form) -> Result<Xml, AwsError> {
        let arn = form.required("PolicyArn")?;
        let id = form.required("VersionId")?;
        let mut xml = Xml::default();
        if let Some(policy) = managed::of_aws(arn).filter(|_| id == "v1") {
            xml.element("PolicyVersion", |xml| {
                xml.text("Document", &url_encoded(policy.document))
                    .text("VersionId", "v1")
                    .text("IsDefaultVersion", "true");
            });
            return Ok(xml);
        }
        let policy = self.required_policy(form)?;
        let number = version_number(&policy, id)?;
        xml.element("PolicyVersion", |xml| version_fields(xml, &policy, number, true));
        Ok(xml)
    }

    fn list_versions(&self, form: &Form) -> Result<Xml, AwsError> {
        let page = Page::read(form)?;
        if managed::of_aws(form.required("PolicyArn")?).is_some() {
            return Ok(page.write(
                "Versions",
                &["v1"],
                |id| id,
                |xml, id| {
                    xml.text("VersionId", id).text("IsDefaultVersion", "true");
                },
            ));
        }
        let policy = self.required_policy(form)?;
        // At most five, the newest first: always one page.
        let mut xml = Xml::default();
        xml.element("Versions", |xml| {
            for number in policy.versions.keys().rev() {
                xml.element("member", |xml| version_fields(xml, &policy, *number, false));
            }
        });
        xml.text("IsTruncated", "false");
        Ok(xml)
    }

    async fn delete_version(&self, form: &Form) -> Result<Xml, AwsError> {
        let _writing = self.writing.lock().await;
        let mut policy = self.own_policy(form)?;
        let number = version_number(&policy, form.required("VersionId")?)?;
        if number == policy.default {
            return Err(conflict("Cannot delete the default version of a policy."));
        }
        policy.versions.remove(&number);
        self.save_policy(policy).await?;
        Ok(Xml::default())
    }

    async fn set_default_version(&self, form: &Form) -> Result<Xml, AwsError> {
        let _writing = self.writing.lock().await;
        let mut policy = self.own_policy(form)?;
        policy.default = version_number(&policy, form.required("VersionId")?)?;
        policy.updated = OffsetDateTime::now_utc().unix_timestamp();
        self.save_policy(policy).await?;
        Ok(Xml::default())
    }

    fn list_entities(&self, form: &Form) -> Result<Xml, AwsError> {
        let arn = form.required("PolicyArn")?;
        if managed::of_aws(arn).is_none() {
            self.required_policy(form)?;
        }
        let roles = match form.get("EntityFilter") {
            None | Some("Role") => self.attached_to(arn),
            Some(_) => Vec::new(),
        };
        let page = Page::read(form)?;
        let mut xml = Xml::default();
        xml.element("PolicyGroups", |_| {}).element("PolicyUsers", |_| {});
        xml.append(&page.write(
            "PolicyRoles",
            &roles,
            |(name, _)| name,
            |xml, (name, id)| {
                xml.text("RoleName", name).text("RoleId", id);
            },
        ));
        Ok(xml)
    }

    async fn tag_policy(&self, form: &Form) -> Result<Xml, AwsError> {
        let tags = read_tags(form)?;
        let _writing = self.writing.lock().await;
        let mut policy = self.own_policy(form)?;
        policy.tags.extend(tags);
        if policy.tags.len() > TAGS_PER_POLICY {
            return Err(limit(format!(
                "The number of tags has reached the maximum limit {TAGS_PER_POLICY}."
            )));
        }
        self.save_policy(policy).await?;
        Ok(Xml::default())
    }

    async fn untag_policy(&self, form: &Form) -> Result<Xml, AwsError> {
        let _writing = self.writing.lock().await;
        let mut policy = self.own_policy(form)?;
        for key in form.members("TagKeys") {
            policy.tags.remove(key);
        }
        self.save_policy(policy).await?;
        Ok(Xml::default())
    }

    fn list_policy_tags(&self, form: &Form) -> Result<Xml, AwsError> {
        let policy = self.required_policy(form)?;
        let tags: Vec<_> = policy.tags.iter().collect();
        Ok(Page::read(form)?.write(
            "Tags",
            &tags,
            |(key, _)| key,
            |xml, (key, value)| {
                xml.text("Key", key).text("Value", value);
            },
        ))
    }

    /// The policy of the account that a change names; AWS's can't be changed.
    fn own_policy(&self, form: &Form) -> Result<PolicyDocument, AwsError> {
        let arn = form.required("PolicyArn")?;
        if arn.starts_with(OF_AWS) {
            return Err(AwsError::new(
                403,
                "AccessDenied",
                format!("Policy {arn} is managed by AWS and can not be changed."),
            ));
        }
        self.required_policy(form)
    }

    fn required_policy(&self, form: &Form) -> Result<PolicyDocument, AwsError> {
        let arn = form.required("PolicyArn")?;
        if let Some(policy) = self.policy(arn) {
            return Ok(policy);
        }
        if arn.starts_with(OF_AWS) {
            // It may well exist on AWS; here nothing is known of what it allows.
            return Err(AwsError::not_implemented("IAM", &format!("the policy {arn}")));
        }
        Err(no_such_entity(format!("Policy {arn} was not found.")))
    }

    fn policy(&self, arn: &str) -> Option<PolicyDocument> {
        self.managed.read().unwrap_or_else(PoisonError::into_inner).get(arn).cloned()
    }

    fn policies(&self) -> Vec<PolicyDocument> {
        self.managed.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Names and ids of the roles that a policy is attached to.
    fn attached_to(&self, arn: &str) -> Vec<(String, String)> {
        let roles = self.roles.read().unwrap_or_else(PoisonError::into_inner);
        let attached = roles.values().filter(|role| role.document.attached.contains(arn));
        attached.map(|role| (role.document.name.clone(), role.document.id.clone())).collect()
    }

    fn policy_fields(&self, xml: &mut Xml, policy: &PolicyDocument, whole: bool) {
        xml.text("PolicyName", &policy.name)
            .text("PolicyId", &policy.id)
            .text("Arn", &policy.arn)
            .text("Path", &policy.path)
            .text("DefaultVersionId", &format!("v{}", policy.default))
            .text("AttachmentCount", &self.attached_to(&policy.arn).len().to_string())
            .text("PermissionsBoundaryUsageCount", "0")
            .text("IsAttachable", "true")
            .text("CreateDate", &date(policy.created))
            .text("UpdateDate", &date(policy.updated));
        // ListPolicies leaves these out, as AWS does.
        if whole {
            xml.optional("Description", policy.description.as_deref());
            if !policy.tags.is_empty() {
                xml.element("Tags", |xml| {
                    for (key, value) in &policy.tags {
                        xml.element("member", |xml| {
                            xml.text("Key", key).text("Value", value);
                        });
                    }
                });
            }
        }
    }

    /// What is known of a policy of AWS: neither its id nor its dates are.
    fn fields_of_aws(&self, xml: &mut Xml, policy: &managed::OfAws) {
        let arn = format!("{OF_AWS}{}", policy.path_and_name);
        let (path, name) = split_path(policy.path_and_name);
        xml.text("PolicyName", name)
            .text("Arn", &arn)
            .text("Path", &path)
            .text("DefaultVersionId", "v1")
            .text("AttachmentCount", &self.attached_to(&arn).len().to_string())
            .text("PermissionsBoundaryUsageCount", "0")
            .text("IsAttachable", "true");
    }
}

/// `/service-role/` and `AWSLambdaRole`.
fn split_path(path_and_name: &str) -> (String, &str) {
    match path_and_name.rsplit_once('/') {
        Some((path, name)) => (format!("/{path}/"), name),
        None => ("/".to_owned(), path_and_name),
    }
}

fn check_document(document: &str) -> Result<(), AwsError> {
    if document.chars().filter(|c| !c.is_whitespace()).count() > POLICY_SIZE {
        return Err(limit(format!("Cannot exceed quota for PolicySize: {POLICY_SIZE}")));
    }
    Policy::parse(document, Kind::Identity).map(|_| ())
}

fn version_number(policy: &PolicyDocument, id: &str) -> Result<u32, AwsError> {
    id.strip_prefix('v')
        .and_then(|number| number.parse().ok())
        .filter(|number| policy.versions.contains_key(number))
        .ok_or_else(|| {
            no_such_entity(format!(
                "Policy {} version {id} does not exist or is not attachable.",
                policy.arn
            ))
        })
}

fn version_fields(xml: &mut Xml, policy: &PolicyDocument, number: u32, with_document: bool) {
    let Some(version) = policy.versions.get(&number) else { return };
    if with_document {
        xml.text("Document", &url_encoded(&version.document));
    }
    xml.text("VersionId", &format!("v{number}"))
        .text("IsDefaultVersion", if number == policy.default { "true" } else { "false" })
        .text("CreateDate", &date(version.created));
}

fn date(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
        .format(&Rfc3339)
        .unwrap_or_default()
}

fn conflict(message: &str) -> AwsError {
    AwsError::new(409, "DeleteConflict", message)
}

fn limit(message: String) -> AwsError {
    AwsError::new(409, "LimitExceeded", message)
}
