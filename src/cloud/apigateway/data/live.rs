//! What requests are served from: the stages of every API with their compiled deployments.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use super::super::model::{Api, CacheTransition, MethodSetting, Stage, Texts};
use super::access::AccessLog;
use super::cache::Caches;
use super::throttle::{Bucket, Limit};
use super::tree::Tree;

/// All APIs that have stages. The lock is held for cloning or replacing one pointer.
#[derive(Debug, Default)]
pub(in super::super) struct Live {
    apis: RwLock<HashMap<String, Arc<LiveApi>>>,
    /// Cached answers of all stages.
    pub(super) caches: Caches,
}

/// The stages of one API.
#[derive(Debug)]
pub(in super::super) struct LiveApi {
    id: String,
    /// The API's name, by which its metrics are known.
    pub(super) name: String,
    stages: HashMap<String, LiveStage>,
    /// Compiled deployments by id, as far as a stage uses them.
    trees: HashMap<String, Arc<Tree>>,
}

/// A stage ready to serve.
#[derive(Debug)]
pub(super) struct LiveStage {
    pub stable: Serving,
    /// The canary with its share of requests in percent.
    pub canary: Option<(f64, Serving)>,
    /// The stage's cache, where it has one.
    pub cluster: Option<Cluster>,
    /// Where the stage logs its requests.
    pub access: Option<AccessLog>,
    /// Rules by resource path and declared verb; none for methods without settings.
    rules: HashMap<String, HashMap<String, Rules>>,
}

/// The cache of a stage.
#[derive(Debug)]
pub(super) struct Cluster {
    /// Another one whenever the cache is emptied.
    pub id: u64,
    /// When it can be used, in milliseconds since the epoch.
    pub ready_at: i64,
    /// Whether the stage's canary uses it too.
    pub shared_with_canary: bool,
}

/// What a stage does for one method.
#[derive(Debug)]
pub(super) struct Rules {
    pub setting: MethodSetting,
    /// Whether the setting is for this method alone, not for all (`*/*`).
    pub own: bool,
    pub limit: Option<Limit>,
    pub bucket: Arc<Bucket>,
}

/// One deployment under one set of stage variables.
#[derive(Debug)]
pub(super) struct Serving {
    pub deployment_id: String,
    pub tree: Arc<Tree>,
    pub variables: Texts,
    /// The variables as the event has them: an object, or `null` when there is none.
    pub variables_json: String,
}

impl Live {
    /// The API with this id.
    pub fn get(&self, id: &str) -> Option<Arc<LiveApi>> {
        self.apis.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Serves `api` from now on.
    pub fn put(&self, api: LiveApi) {
        let (id, api) = (api.id.clone(), Arc::new(api));
        self.apis.write().unwrap_or_else(PoisonError::into_inner).insert(id, api);
    }

    /// Serves the API no longer.
    pub fn remove(&self, id: &str) {
        self.apis.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

impl LiveApi {
    /// Compiles the stages of `api`; `old` has deployments that are compiled already.
    pub fn compile(api: &Api, old: Option<&LiveApi>) -> Self {
        let mut live = Self {
            id: api.id().to_owned(),
            name: api.definition.api.name.clone(),
            stages: HashMap::new(),
            trees: HashMap::new(),
        };
        for stage in api.stages.values() {
            if let Some(serving) = live.stage(api, stage, old) {
                live.stages.insert(stage.stage_name.clone(), serving);
            }
        }
        live
    }

    /// The stage with this name.
    pub(super) fn named(&self, name: &str) -> Option<&LiveStage> {
        self.stages.get(name)
    }

    fn stage(&mut self, api: &Api, stage: &Stage, old: Option<&LiveApi>) -> Option<LiveStage> {
        let variables = stage.variables.clone().unwrap_or_default();
        let canary = stage.canary_settings.as_ref().and_then(|canary| {
            let mut variables = variables.clone();
            variables.extend(canary.stage_variable_overrides.clone());
            let serving = self.serving(api, &canary.deployment_id, variables, old)?;
            Some((canary.percent_traffic, serving))
        });
        let stable = self.serving(api, &stage.deployment_id, variables, old)?;
        let mut rules = HashMap::new();
        if !stage.method_settings.is_empty() {
            let trees = canary.iter().map(|(_, serving)| &serving.tree).chain([&stable.tree]);
            for (path, verb) in trees.flat_map(|tree| &tree.methods) {
                let before = old.and_then(|old| old.named(&stage.stage_name)?.rules(path, verb));
                add_rules(&mut rules, &stage.method_settings, path, verb, before);
            }
        }
        let access = stage.access_log_settings.as_ref().and_then(AccessLog::of);
        Some(LiveStage { stable, canary, cluster: cluster(stage), access, rules })
    }

    fn serving(
        &mut self,
        api: &Api,
        deployment_id: &str,
        variables: Texts,
        old: Option<&LiveApi>,
    ) -> Option<Serving> {
        let known = self.trees.get(deployment_id);
        let tree = match known.or_else(|| old.and_then(|old| old.trees.get(deployment_id))) {
            Some(tree) => Arc::clone(tree),
            None => Arc::new(Tree::compile(&api.deployments.get(deployment_id)?.snapshot)),
        };
        self.trees.insert(deployment_id.to_owned(), Arc::clone(&tree));
        let variables_json = if variables.is_empty() {
            "null".to_owned()
        } else {
            serde_json::json!(variables).to_string()
        };
        Some(Serving { deployment_id: deployment_id.to_owned(), tree, variables, variables_json })
    }
}

impl LiveStage {
    /// The rules for one method; `verb` as it was declared.
    pub fn rules(&self, path: &str, verb: &str) -> Option<&Rules> {
        self.rules.get(path)?.get(verb)
    }

    /// The deployment that serves a request, and whether it is the canary's; `dice` is uniform in
    /// 0..100.
    pub fn serve(&self, dice: f64) -> (&Serving, bool) {
        match &self.canary {
            Some((percent, canary)) if dice < *percent => (canary, true),
            _ => (&self.stable, false),
        }
    }
}

/// Adds the rules of a method: its own settings, else the stage's. Tokens that were taken `before`
/// stay taken.
fn add_rules(
    rules: &mut HashMap<String, HashMap<String, Rules>>,
    settings: &BTreeMap<String, MethodSetting>,
    path: &str,
    verb: &str,
    before: Option<&Rules>,
) {
    let escaped = format!("{}/{verb}", path.replace('/', "~1"));
    let bare = format!("{}/{verb}", path.trim_start_matches('/'));
    let own = settings.get(&escaped).or_else(|| settings.get(&bare));
    if let Some(setting) = own.or_else(|| settings.get("*/*")) {
        let (rate, burst) = (setting.throttling_rate_limit, setting.throttling_burst_limit);
        let rule = Rules {
            setting: setting.clone(),
            own: own.is_some(),
            limit: Limit::new(rate, f64::from(burst)),
            bucket: before.map(|before| Arc::clone(&before.bucket)).unwrap_or_default(),
        };
        rules.entry(path.to_owned()).or_default().insert(verb.to_owned(), rule);
    }
}

fn cluster(stage: &Stage) -> Option<Cluster> {
    stage.cache_cluster_enabled.then(|| Cluster {
        id: stage.cache_id,
        ready_at: stage.cache_transition.as_ref().map_or(0, CacheTransition::ready_at),
        shared_with_canary: stage
            .canary_settings
            .as_ref()
            .is_some_and(|canary| canary.use_stage_cache),
    })
}
