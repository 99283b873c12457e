//! How costs grow with the number of objects.

use std::fmt::Write as _;

use super::growth::Made;
use super::table::number;
use crate::narration::Ink;

/// What so many objects cost: to be made, and at a restart.
pub(super) struct Cost {
    pub(super) made: Made,
    /// Seconds of CPU.
    pub(super) restart_cpu: f64,
    /// In MB.
    pub(super) restart_memory: f64,
}

type Measure = (&'static str, fn(&Cost) -> f64);

const MEASURES: [Measure; 6] = [
    ("ECR calls to create all", |it| it.made.calls),
    ("seconds to create all", |it| it.made.seconds),
    ("seconds of CPU to create all", |it| it.made.cpu),
    ("resident memory then, MB", |it| it.made.memory),
    ("seconds of CPU of a restart", |it| it.restart_cpu),
    ("resident memory after it, MB", |it| it.restart_memory),
];

/// Prints the costs of some sizes, the smaller first, and the exponents from one to the next: 1 is linear, 0
/// constant.
pub(super) fn print(costs: &[Cost], ink: Ink) {
    if costs.len() < 2 {
        return;
    }
    let mut head = format!("  {:<32}", "objects");
    for cost in costs {
        let _ = write!(head, "{:>10}", cost.made.objects);
    }
    println!("\n{}", ink.bold(&format!("{head}  exponents")));
    for measure in MEASURES {
        println!("{}", line(costs, measure));
    }
}

fn line(costs: &[Cost], (what, of): Measure) -> String {
    let mut line = format!("  {what:<32}");
    for cost in costs {
        let _ = write!(line, "{:>10}", number(of(cost)));
    }
    for pair in costs.windows(2) {
        if let [smaller, larger] = pair {
            let _ = write!(line, "  {:.2}", exponent(smaller, larger, of));
        }
    }
    line
}

fn exponent(smaller: &Cost, larger: &Cost, of: fn(&Cost) -> f64) -> f64 {
    let times = f64::from(larger.made.objects) / f64::from(smaller.made.objects);
    (of(larger) / of(smaller)).log(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(objects: u32, cpu: f64) -> Cost {
        let memory = 20.0;
        Cost {
            made: Made {
                objects,
                calls: f64::from(3 * objects),
                writes: 0.0,
                seconds: 1.0,
                cpu,
                memory,
            },
            restart_cpu: cpu,
            restart_memory: memory,
        }
    }

    #[test]
    fn linear_is_one_and_constant_none() {
        let costs = [cost(100, 1.0), cost(1_000, 10.0), cost(10_000, 1_000.0)];
        let shown = MEASURES.map(|it| line(&costs, it));
        for (number, expected) in [
            (0, ["300", "3000", "30000", "1.00", "1.00"]),
            (2, ["1", "10", "1000", "1.00", "2.00"]),
            (3, ["20", "20", "20", "0.00", "0.00"]),
        ] {
            let words: Vec<_> = shown[number].split_whitespace().collect();
            assert!(words.ends_with(&expected), "{}", shown[number]);
        }
    }
}
