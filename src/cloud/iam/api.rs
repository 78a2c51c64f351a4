//! IAM's own API (awsQuery, version 2010-05-08): dispatch, roles and their tags.

use std::sync::Arc;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Iam;
use super::api_managed;
use super::policy::{Kind, Policy};
use super::role::RoleDocument;
use super::session::random_id;
use crate::core::ACCOUNT_ID;
use crate::error::AwsError;
use crate::protocol::{Form, Protocol, Xml, query_answer};
use crate::wire::{Answer, ApiRequest};

pub(super) const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
/// Bytes of a trust policy without whitespace (quota `ACLSizePerRole`).
const TRUST_POLICY_SIZE: usize = 2048;
const TAGS_PER_ROLE: usize = 50;

impl Iam {
    /// Answers a request of IAM's API.
    pub async fn call(self: &Arc<Self>, request: ApiRequest) -> Answer {
        let form = Form::read(&request);
        match self.dispatch(&form, &request).await {
            Ok(answer) => answer,
            Err(error) => Protocol::Query.error(&error, &request.request_id),
        }
    }

    async fn dispatch(&self, form: &Form, request: &ApiRequest) -> Result<Answer, AwsError> {
        let action = form.get("Action").ok_or_else(|| {
            AwsError::new(400, "MissingAction", "The request must contain the parameter Action.")
        })?;
        let is_managed = api_managed::OPERATIONS.contains(&action);
        if !is_managed && !OPERATIONS.contains(&action) {
            return Err(AwsError::not_implemented("IAM", action));
        }
        self.check_permission(form, request, action)?;
        let result = match action {
            "CreateRole" => self.create_role(form).await?,
            "GetRole" => self.get_role(form)?,
            "ListRoles" => self.list_roles(form)?,
            "DeleteRole" => self.delete_role(form).await?,
            "UpdateRole" => self.update_role(form).await?,
            "UpdateAssumeRolePolicy" => self.update_trust(form).await?,
            "TagRole" => self.tag_role(form).await?,
            "UntagRole" => self.untag_role(form).await?,
            "ListRoleTags" => self.list_role_tags(form)?,
            _ if is_managed => self.managed_operation(action, form).await?,
            _ => self.policy_operation(action, form).await?,
        };
        Ok(query_answer(action, NAMESPACE, &request.request_id, |xml| xml.append(&result)))
    }

    fn check_permission(
        &self,
        form: &Form,
        request: &ApiRequest,
        action: &str,
    ) -> Result<(), AwsError> {
        let path = form.get("Path").unwrap_or("/");
        let resource = match (form.get("RoleName"), form.get("PolicyArn"), form.get("PolicyName")) {
            (Some(name), ..) => self.role(name).map_or_else(
                || format!("arn:aws:iam::{ACCOUNT_ID}:role{path}{name}"),
                |role| role.document.arn.clone(),
            ),
            (None, Some(arn), _) => arn.to_owned(),
            (None, None, Some(name)) => format!("arn:aws:iam::{ACCOUNT_ID}:policy{path}{name}"),
            (None, None, None) if action == "ListPolicies" => {
                format!("arn:aws:iam::{ACCOUNT_ID}:policy/")
            }
            (None, None, None) => format!("arn:aws:iam::{ACCOUNT_ID}:role/"),
        };
        let may = |action: &str| {
            let keys: Vec<_> =
                form.get("PolicyArn").map(|arn| ("iam:PolicyARN", arn)).into_iter().collect();
            self.authorize_with(&request.caller, &format!("iam:{action}"), &resource, &keys)
                .map_err(|denial| {
                    let caller = self.caller_arn(&request.caller);
                    tracing::debug!(caller, action, "refused by a policy");
                    AwsError::new(403, "AccessDenied", denial.message)
                })
        };
        may(action)?;
        // Tags given at the making need the permission to tag as well.
        match action {
            "CreateRole" if !form.pairs("Tags").is_empty() => may("TagRole"),
            "CreatePolicy" if !form.pairs("Tags").is_empty() => may("TagPolicy"),
            _ => Ok(()),
        }
    }

    async fn create_role(&self, form: &Form) -> Result<Xml, AwsError> {
        let name = form.required("RoleName")?;
        check_name("roleName", name, 64)?;
        let path = form.get("Path").unwrap_or("/");
        check_path(path)?;
        let trust_policy = form.required("AssumeRolePolicyDocument")?;
        check_trust_policy(trust_policy)?;
        let tags = read_tags(form)?;
        let document = RoleDocument {
            name: name.to_owned(),
            path: path.to_owned(),
            id: random_id("AROA", 17),
            arn: format!("arn:aws:iam::{ACCOUNT_ID}:role{path}{name}"),
            created: OffsetDateTime::now_utc().unix_timestamp(),
            description: description(form)?,
            max_session_duration: form.number("MaxSessionDuration", 3600, 3600..=43200)?,
            trust_policy: trust_policy.to_owned(),
            tags: tags.into_iter().collect(),
            inline: std::collections::BTreeMap::new(),
            attached: std::collections::BTreeSet::new(),
        };
        let _writing = self.writing.lock().await;
        if self.names().iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(AwsError::new(
                409,
                "EntityAlreadyExists",
                format!("Role with name {name} already exists."),
            ));
        }
        let mut xml = Xml::default();
        xml.element("Role", |xml| role_fields(xml, &document, true));
        let name = document.name.clone();
        self.save(document).await?;
        self.spread(&name);
        Ok(xml)
    }

    fn get_role(&self, form: &Form) -> Result<Xml, AwsError> {
        let role = self.required_role(form)?;
        let mut xml = Xml::default();
        xml.element("Role", |xml| role_fields(xml, &role, true));
        Ok(xml)
    }

    fn list_roles(&self, form: &Form) -> Result<Xml, AwsError> {
        let prefix = form.get("PathPrefix").unwrap_or("/");
        let all = self.names();
        let roles = all.iter().filter_map(|name| self.role(name));
        let roles: Vec<_> = roles
            .filter(|role| role.document.path.starts_with(prefix))
            .map(|role| role.document.clone())
            .collect();
        let page = Page::read(form)?;
        Ok(page.write(
            "Roles",
            &roles,
            |role| &role.name,
            |xml, role| {
                role_fields(xml, role, false);
            },
        ))
    }

    async fn delete_role(&self, form: &Form) -> Result<Xml, AwsError> {
        let _writing = self.writing.lock().await;
        let role = self.required_role(form)?;
        let what = if !role.attached.is_empty() {
            "detach all policies"
        } else if !role.inline.is_empty() {
            "delete policies"
        } else {
            self.remove(&role.name).await?;
            return Ok(Xml::default());
        };
        Err(AwsError::new(
            409,
            "DeleteConflict",
            format!("Cannot delete entity, must {what} first."),
        ))
    }

    async fn update_role(&self, form: &Form) -> Result<Xml, AwsError> {
        let _writing = self.writing.lock().await;
        let mut role = self.required_role(form)?;
        if form.get("Description").is_some() {
            role.description = description(form)?;
        }
        role.max_session_duration =
            form.number("MaxSessionDuration", role.max_session_duration, 3600..=43200)?;
        self.save(role).await?;
        // AWS writes an empty result element, which is read the same as none.
        Ok(Xml::default())
    }

    async fn update_trust(&self, form: &Form) -> Result<Xml, AwsError> {
        let document = form.required("PolicyDocument")?;
        check_trust_policy(document)?;
        let _writing = self.writing.lock().await;
        let mut role = self.required_role(form)?;
        document.clone_into(&mut role.trust_policy);
        self.save(role).await?;
        Ok(Xml::default())
    }

    async fn tag_role(&self, form: &Form) -> Result<Xml, AwsError> {
        let tags = read_tags(form)?;
        let _writing = self.writing.lock().await;
        let mut role = self.required_role(form)?;
        role.tags.extend(tags);
        if role.tags.len() > TAGS_PER_ROLE {
            return Err(AwsError::new(
                409,
                "LimitExceeded",
                format!("The number of tags has reached the maximum limit {TAGS_PER_ROLE}."),
            ));
        }
        self.save(role).await?;
        Ok(Xml::default())
    }

    async fn untag_role(&self, form: &Form) -> Result<Xml, AwsError> {
        let _writing = self.writing.lock().await;
        let mut role = self.required_role(form)?;
        for key in form.members("TagKeys") {
            role.tags.remove(key);
        }
        self.save(role).await?;
        Ok(Xml::default())
    }

    fn list_role_tags(&self, form: &Form) -> Result<Xml, AwsError> {
        let role = self.required_role(form)?;
        let tags: Vec<_> = role.tags.iter().collect();
        Ok(Page::read(form)?.write(
            "Tags",
            &tags,
            |(key, _)| key,
            |xml, (key, value)| {
                xml.text("Key", key).text("Value", value);
            },
        ))
    }

    /// What is stored of the role that the request names.
    pub(super) fn required_role(&self, form: &Form) -> Result<RoleDocument, AwsError> {
        let name = form.required("RoleName")?;
        check_name("roleName", name, 64)?;
        self.role(name)
            .map(|role| role.document.clone())
            .ok_or_else(|| no_such_entity(format!("The role with name {name} cannot be found.")))
    }

    fn names(&self) -> Vec<String> {
        self.roles
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .keys()
            .cloned()
            .collect()
    }
}

const OPERATIONS: [&str; 16] = [
    "CreateRole",
    "GetRole",
    "ListRoles",
    "DeleteRole",
    "UpdateRole",
    "UpdateAssumeRolePolicy",
    "TagRole",
    "UntagRole",
    "ListRoleTags",
    "PutRolePolicy",
    "GetRolePolicy",
    "ListRolePolicies",
    "DeleteRolePolicy",
    "AttachRolePolicy",
    "DetachRolePolicy",
    "ListAttachedRolePolicies",
];

/// One page of a list.
pub(super) struct Page {
    after: Option<String>,
    size: usize,
}

impl Page {
    /// Reads `Marker` and `MaxItems`. A marker is the name of the last item that was told.
    pub(super) fn read(form: &Form) -> Result<Self, AwsError> {
        let size = form.number("MaxItems", 100, 1..=1000)? as usize;
        Ok(Self { after: form.get("Marker").map(str::to_owned), size })
    }

    /// Writes the items behind the marker; `items` must be in the order of their names.
    pub(super) fn write<T>(
        &self,
        element: &str,
        items: &[T],
        name: impl Fn(&T) -> &str,
        write: impl Fn(&mut Xml, &T),
    ) -> Xml {
        self.write_with(element, items, name, |xml, item| {
            xml.element("member", |xml| write(xml, item));
        })
    }

    /// As [`Page::write`], for a list of names.
    pub(super) fn write_texts(&self, element: &str, names: &[&str]) -> Xml {
        self.write_with(
            element,
            names,
            |name| name,
            |xml, name| {
                xml.text("member", name);
            },
        )
    }

    fn write_with<T>(
        &self,
        element: &str,
        items: &[T],
        name: impl Fn(&T) -> &str,
        write: impl Fn(&mut Xml, &T),
    ) -> Xml {
        let start = match &self.after {
            None => 0,
            Some(after) => items.partition_point(|item| name(item) <= after.as_str()),
        };
        let rest = &items[start..];
        let page = &rest[..rest.len().min(self.size)];
        let mut xml = Xml::default();
        xml.element(element, |xml| {
            for item in page {
                write(xml, item);
            }
        });
        let truncated = page.len() < rest.len();
        xml.text("IsTruncated", if truncated { "true" } else { "false" });
        if truncated {
            xml.optional("Marker", page.last().map(&name));
        }
        xml
    }
}

fn role_fields(xml: &mut Xml, role: &RoleDocument, whole: bool) {
    let created = OffsetDateTime::from_unix_timestamp(role.created)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
        .format(&Rfc3339)
        .unwrap_or_default();
    xml.text("Path", &role.path)
        .text("RoleName", &role.name)
        .text("RoleId", &role.id)
        .text("Arn", &role.arn)
        .text("CreateDate", &created)
        .text("AssumeRolePolicyDocument", &url_encoded(&role.trust_policy))
        .optional("Description", role.description.as_deref())
        .text("MaxSessionDuration", &role.max_session_duration.to_string());
    // ListRoles leaves these out, as AWS does.
    if whole {
        if !role.tags.is_empty() {
            xml.element("Tags", |xml| {
                for (key, value) in &role.tags {
                    xml.element("member", |xml| {
                        xml.text("Key", key).text("Value", value);
                    });
                }
            });
        }
        xml.element("RoleLastUsed", |_| {});
    }
}

/// Policy documents are answered percent-encoded (RFC 3986).
pub(super) fn url_encoded(document: &str) -> String {
    const UNRESERVED: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    percent_encoding::utf8_percent_encode(document, UNRESERVED).to_string()
}

pub(super) fn no_such_entity(message: String) -> AwsError {
    AwsError::new(404, "NoSuchEntity", message)
}

/// Names of roles and policies: letters, digits and `_+=,.@-`.
pub(super) fn check_name(field: &str, name: &str, longest: usize) -> Result<(), AwsError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return Err(AwsError::new(
            400,
            "ValidationError",
            format!(
                "The specified value for {field} is invalid. It must contain only alphanumeric \
                 characters and/or the following: +=,.@_-"
            ),
        ));
    }
    if name.len() > longest {
        return Err(AwsError::new(
            400,
            "ValidationError",
            format!(
                "1 validation error detected: Value '{name}' at '{field}' failed to satisfy \
                 constraint: Member must have length less than or equal to {longest}"
            ),
        ));
    }
    Ok(())
}

pub(super) fn check_path(path: &str) -> Result<(), AwsError> {
    let printable = path.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if path.len() <= 512 && printable && path.starts_with('/') && path.ends_with('/') {
        return Ok(());
    }
    Err(AwsError::new(
        400,
        "ValidationError",
        "The specified value for path is invalid. It must begin and end with / and contain only \
         alphanumeric characters and/or / characters.",
    ))
}

fn check_trust_policy(document: &str) -> Result<(), AwsError> {
    if document.chars().filter(|c| !c.is_whitespace()).count() > TRUST_POLICY_SIZE {
        return Err(AwsError::new(
            409,
            "LimitExceeded",
            format!("Cannot exceed quota for ACLSizePerRole: {TRUST_POLICY_SIZE}"),
        ));
    }
    Policy::parse(document, Kind::Trust).map(|_| ())
}

pub(super) fn description(form: &Form) -> Result<Option<String>, AwsError> {
    let text = form.get("Description").filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.chars().count() > 1000) {
        return Err(AwsError::new(
            400,
            "ValidationError",
            "1 validation error detected: Value at 'description' failed to satisfy constraint: \
             Member must have length less than or equal to 1000",
        ));
    }
    Ok(text.map(str::to_owned))
}

pub(super) fn read_tags(form: &Form) -> Result<Vec<(String, String)>, AwsError> {
    let pairs = form.pairs("Tags");
    let mut tags: Vec<(String, String)> = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let lengths = (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
        if !lengths {
            return Err(AwsError::new(
                400,
                "ValidationError",
                "1 validation error detected: Value at 'tags' failed to satisfy constraint: keys \
                 have 1 to 128 characters and values at most 256",
            ));
        }
        if tags.iter().any(|(known, _)| known.eq_ignore_ascii_case(key)) {
            return Err(AwsError::new(
                400,
                "InvalidInput",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.push((key.to_owned(), value.to_owned()));
    }
    if tags.len() > TAGS_PER_ROLE {
        return Err(AwsError::new(
            409,
            "LimitExceeded",
            format!("The number of tags has reached the maximum limit {TAGS_PER_ROLE}."),
        ));
    }
    Ok(tags)
}
