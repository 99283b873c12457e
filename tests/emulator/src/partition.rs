//! AWS's partitions: worlds of their own, with ARNs and domains of their own. The table is that of
//! AWS's SDKs (`partitions.json`, which a test holds it to).

/// A world of its own.
#[derive(Debug)]
pub struct Partition {
    /// As it stands in ARNs.
    pub id: &'static str,
    /// How the names of its regions begin; empty for the one that has all others.
    prefix: &'static str,
    /// Where its registries are.
    pub domain: &'static str,
}

const fn partition(id: &'static str, prefix: &'static str, domain: &'static str) -> Partition {
    Partition { id, prefix, domain }
}

const AWS: Partition = partition("aws", "", "amazonaws.com");

const OTHERS: [Partition; 7] = [
    partition("aws-cn", "cn-", "amazonaws.com.cn"),
    partition("aws-us-gov", "us-gov-", "amazonaws.com"),
    partition("aws-iso", "us-iso-", "c2s.ic.gov"),
    partition("aws-iso-b", "us-isob-", "sc2s.sgov.gov"),
    partition("aws-iso-e", "eu-isoe-", "cloud.adc-e.uk"),
    partition("aws-iso-f", "us-isof-", "csp.hci.ic.gov"),
    partition("aws-eusc", "eusc-", "amazonaws.eu"),
];

impl Partition {
    /// The one that a region belongs to.
    #[must_use]
    pub fn of(region: &str) -> &'static Self {
        let mut others = OTHERS.iter();
        others
            .find(|it| region.starts_with(it.prefix))
            .unwrap_or(&AWS)
    }
}
