//! Which version an invocation of an alias goes to.

use super::model::Alias;

/// The version that one invocation of `alias` runs, where `draw` is a random number in `0.0..1.0`.
pub fn choose(alias: &Alias, draw: f64) -> &str {
    match &alias.extra {
        Some(extra) if draw < extra.weight => &extra.version,
        _ => &alias.version,
    }
}

/// A random number in `0.0..1.0`.
pub fn draw() -> f64 {
    fastrand::f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::model::Extra;

    #[test]
    fn the_extra_version_gets_its_share() {
        let mut alias = Alias {
            name: "live".to_owned(),
            version: "1".to_owned(),
            extra: Some(Extra { version: "2".to_owned(), weight: 0.2 }),
            description: String::new(),
            revision_id: String::new(),
        };
        let to_two = (0..1000).filter(|i| choose(&alias, f64::from(*i) / 1000.0) == "2").count();
        assert_eq!(to_two, 200);
        alias.extra = Some(Extra { version: "2".to_owned(), weight: 0.0 });
        assert_eq!(choose(&alias, 0.0), "1");
        alias.extra = Some(Extra { version: "2".to_owned(), weight: 1.0 });
        assert_eq!(choose(&alias, 0.999_999), "2");
        alias.extra = None;
        assert_eq!(choose(&alias, 0.0), "1");
    }

    #[test]
    fn draws_are_spread_over_the_unit_interval() {
        let draws: Vec<f64> = (0..2000).map(|_| draw()).collect();
        assert!(draws.iter().all(|d| (0.0..1.0).contains(d)));
        let mean = draws.iter().sum::<f64>() / 2000.0;
        assert!((0.4..0.6).contains(&mean), "{mean}");
    }
}
