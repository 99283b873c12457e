//! Who we are among the candidates, and which lease it is about.

use std::path::Path;

/// Where Kubernetes tells a pod its namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// The pod's name and a suffix of this process: a container that was restarted is another candidate.
#[must_use]
pub fn identity() -> String {
    let pod = ["POD_NAME", "HOSTNAME"].into_iter().find_map(environment);
    let pod = pod.unwrap_or_else(|| "ecr-operator".to_owned());
    format!("{pod}_{:016x}", fastrand::u64(..))
}

/// The lease's name. Who watches one namespace has a lease for it: two such operators in one namespace
/// have nothing to wait for each other.
#[must_use]
pub fn lease_name(watched: Option<&str>) -> String {
    watched.map_or_else(
        || "ecr-operator".to_owned(),
        |namespace| format!("ecr-operator-{namespace}"),
    )
}

/// The lease's namespace: the one that was asked for, or the pod's own.
///
/// # Errors
/// Where neither is known; says what to set.
pub fn lease_namespace(asked: Option<&str>) -> Result<String, String> {
    let file = || {
        let namespace = std::fs::read_to_string(Path::new(NAMESPACE_FILE)).ok()?;
        Some(namespace.trim().to_owned()).filter(|it| !it.is_empty())
    };
    asked
        .map(ToOwned::to_owned)
        .or_else(|| environment("POD_NAMESPACE"))
        .or_else(file)
        .ok_or_else(|| {
            format!(
                "set --lease-namespace or POD_NAMESPACE: the lease is in the pod's own namespace, \
                 and there is no {NAMESPACE_FILE} to tell it"
            )
        })
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_of_a_pod_are_two_candidates() {
        assert_ne!(identity(), identity());
    }

    #[test]
    fn who_watches_one_namespace_has_a_lease_for_it() {
        assert_eq!(lease_name(None), "ecr-operator");
        assert_eq!(lease_name(Some("payments")), "ecr-operator-payments");
        assert_eq!(lease_namespace(Some("ops")), Ok("ops".to_owned()));
    }
}
