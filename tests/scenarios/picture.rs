//! Draws panels as Grafana would, as far as the first screen of our dashboard goes: numbers and tables.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// One unit of Grafana's grid, of which there are 24 in a row.
const UNIT: [f64; 2] = [52.0, 34.0];
const GAP: f64 = 6.0;
const LINE: f64 = 24.0;

/// One of what a query answers.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Sample {
    labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Sample {
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// Where the second row of the dashboard begins.
const END: f64 = 24.0;

pub(crate) fn is_on_first_screen(panel: &Value) -> bool {
    let y = panel["gridPos"]["y"].as_f64();
    y.is_some_and(|y| y < END) && panel["type"] != "row"
}

/// What a picture is of: it is stale once that differs. `tests/monitoring` asks for the same.
fn digest(dashboard: &Value) -> String {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let panels: Vec<_> = panels.filter(|it| is_on_first_screen(it)).collect();
    let digest = Sha256::digest(serde_json::to_string(&panels).unwrap());
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The picture.
pub(crate) fn drawn(dashboard: &Value, panels: &[(&Value, Vec<Sample>)]) -> String {
    let [width, height] = [24.0 * UNIT[0], END * UNIT[1]];
    let mut svg = format!(
        "<!-- Drawn by tests/scenarios/dashboard.rs of {}; not to be edited. -->\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 {} {width} {}\" font-family=\"Inter, Helvetica, Arial, sans-serif\" font-size=\"13\">\n\
         <rect y=\"{}\" width=\"{width}\" height=\"{height}\" fill=\"#f4f5f5\"/>\n",
        digest(dashboard),
        UNIT[1],
        height - UNIT[1],
        UNIT[1],
    );
    for (panel, samples) in panels {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|it| panel["gridPos"][it].as_f64().unwrap());
        let at = [
            x * UNIT[0] + GAP / 2.0,
            y * UNIT[1] + GAP / 2.0,
            w * UNIT[0] - GAP,
            h * UNIT[1] - GAP,
        ];
        if panel["type"] == "stat" {
            number(&mut svg, panel, samples, at);
        } else {
            table(&mut svg, panel, samples, at);
        }
    }
    svg + "</svg>\n"
}

fn number(svg: &mut String, panel: &Value, samples: &[Sample], [x, y, w, h]: [f64; 4]) {
    let defaults = &panel["fieldConfig"]["defaults"];
    let value = samples.first().map_or(0.0, |it| it.value);
    let (fill, ink) = match color(&defaults["thresholds"], value) {
        "" => ("#ffffff", "#24292e"),
        color => (color, "#ffffff"),
    };
    rectangle(svg, [x, y, w, h], fill);
    let title = panel["title"].as_str().unwrap();
    text(svg, [x + 8.0, y + 20.0], (ink, "start", 12.0), title);
    let told = told(value, defaults["unit"].as_str());
    text(
        svg,
        [x + w / 2.0, y + h / 2.0 + 24.0],
        (ink, "middle", 38.0),
        &told,
    );
}

fn table(svg: &mut String, panel: &Value, samples: &[Sample], [x, y, w, h]: [f64; 4]) {
    rectangle(svg, [x, y, w, h], "#ffffff");
    let title = panel["title"].as_str().unwrap();
    text(svg, [x + 10.0, y + 20.0], ("#24292e", "start", 14.0), title);
    let legend = panel["targets"][0]["legendFormat"].as_str().unwrap();
    let columns = crate::queries::between(legend, "{{", "}}");
    let own = &panel["fieldConfig"]["overrides"][0];
    let of = |id: &str| {
        let all = own["properties"].as_array().unwrap().iter();
        all.filter(|it| it["id"] == id)
            .map(|it| &it["value"])
            .next()
            .unwrap()
    };
    let last = x + w - 12.0;
    // As wide as the longest word in each.
    let widest = |column: &&str| {
        let words = samples.iter().map(|it| it.label(column).len());
        words.chain([column.len()]).max().unwrap_or_default() + 2
    };
    let widths: Vec<_> = columns.iter().map(widest).collect();
    let letter = (w - 90.0) / number_of(widths.iter().sum());
    let mut line = y + 46.0;
    let name = own["matcher"]["options"].as_str().unwrap();
    text(svg, [last, line], ("#6e7781", "end", 12.0), name);
    row(
        svg,
        [x + 10.0, line],
        letter,
        "#6e7781",
        &widths,
        |column| columns[column].trim_start_matches("exported_"),
    );
    let mut sorted: Vec<_> = samples.iter().collect();
    sorted.sort_by(|a, b| b.value.total_cmp(&a.value));
    for it in sorted {
        line += LINE;
        if line > y + h - 6.0 {
            break;
        }
        row(
            svg,
            [x + 10.0, line],
            letter,
            "#24292e",
            &widths,
            |column| it.label(columns[column]),
        );
        let fill = color(of("thresholds"), it.value);
        rectangle(svg, [last - 52.0, line - 17.0, 58.0, 22.0], fill);
        let told = told(it.value, of("unit").as_str());
        text(svg, [last, line], ("#ffffff", "end", 13.0), &told);
    }
}

fn number_of(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

/// The words of one row; `letter` is how much room each of their letters has.
fn row<'a>(
    svg: &mut String,
    [x, y]: [f64; 2],
    letter: f64,
    ink: &str,
    widths: &[usize],
    word: impl Fn(usize) -> &'a str,
) {
    let mut at = x;
    for (column, width) in widths.iter().enumerate() {
        text(svg, [at, y], (ink, "start", 12.0), word(column));
        at += letter * number_of(*width);
    }
}

/// The color of the last step that is reached; none where it is no color of its own.
fn color(thresholds: &Value, value: f64) -> &'static str {
    let steps = thresholds["steps"].as_array().unwrap().iter();
    let mut reached = steps.filter(|it| it["value"].as_f64().is_none_or(|from| value >= from));
    match reached.next_back().and_then(|it| it["color"].as_str()) {
        Some("green") => "#3d8f4e",
        Some("orange") => "#d97706",
        Some("red") => "#c4314b",
        Some("blue") => "#3274d9",
        Some("text") | None => "",
        Some(other) => panic!("which color is {other}?"),
    }
}

/// A number as people read it.
fn told(value: f64, unit: Option<&str>) -> String {
    let seconds = Some("s") == unit;
    match value {
        _ if !seconds => format!("{value:.0}"),
        _ if value < 60.0 => format!("{value:.0} s"),
        _ if value < 3600.0 => format!("{:.0} min", value / 60.0),
        _ => format!("{:.1} h", value / 3600.0),
    }
}

fn rectangle(svg: &mut String, [x, y, w, h]: [f64; 4], fill: &str) {
    writeln!(
        svg,
        "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{w:.0}\" height=\"{h:.0}\" rx=\"3\" fill=\"{fill}\"/>"
    )
    .unwrap();
}

fn text(svg: &mut String, [x, y]: [f64; 2], (fill, anchor, size): (&str, &str, f64), said: &str) {
    let said = said.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(
        svg,
        "<text x=\"{x:.0}\" y=\"{y:.0}\" fill=\"{fill}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{said}</text>"
    )
    .unwrap();
}
