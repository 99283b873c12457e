//! How the demo tells what it does: chapters, commands with their output, and checks.

use std::time::{Duration, Instant};

use anyhow::Result;
use xtask::kubectl::Kubectl;

use crate::narration::{Ink, seconds};

/// What was told so far.
#[derive(Debug)]
pub(crate) struct Tale {
    ink: Ink,
    began: Instant,
    chapters: Vec<Chapter>,
}

#[derive(Debug)]
struct Chapter {
    title: &'static str,
    began: Instant,
    took: Duration,
    checks: usize,
}

impl Tale {
    pub(crate) fn begin() -> Self {
        Self {
            ink: Ink::of_stdout(),
            began: Instant::now(),
            chapters: Vec::new(),
        }
    }

    /// Ends the chapter before and begins one.
    pub(crate) fn chapter(&mut self, title: &'static str) {
        self.end_chapter();
        let number = self.chapters.len() + 1;
        println!("\n{}", self.ink.bold(&format!("{number}. {title}")));
        let chapter = Chapter {
            title,
            began: Instant::now(),
            took: Duration::ZERO,
            checks: 0,
        };
        self.chapters.push(chapter);
    }

    fn end_chapter(&mut self) {
        if let Some(chapter) = self.chapters.last_mut() {
            chapter.took = chapter.began.elapsed();
        }
    }

    /// Something that was looked at and is as it should be.
    pub(crate) fn check(&mut self, text: &str) {
        self.ink.check(text);
        if let Some(chapter) = self.chapters.last_mut() {
            chapter.checks += 1;
        }
    }

    /// Something that we do, or that happens.
    pub(crate) fn say(&self, text: &str) {
        println!("  {} {text}", self.ink.dim("·"));
    }

    /// What a command printed.
    pub(crate) fn quote(&self, text: &str) {
        for line in text.trim_end().lines() {
            println!("    {}", self.ink.dim(line));
        }
    }

    /// Runs kubectl as its user sees it: the command, then the output.
    pub(crate) async fn kubectl(&self, kubectl: &Kubectl, args: &[&str]) -> Result<String> {
        self.command(args);
        let output = kubectl.run(args).await?;
        self.quote(&output);
        Ok(output)
    }

    /// The command line of a kubectl that runs next.
    pub(crate) fn command(&self, args: &[&str]) {
        let words: Vec<String> = args.iter().map(|word| shell_word(word)).collect();
        println!("  {} kubectl {}", self.ink.dim("$"), words.join(" "));
    }

    /// The end, when all went well.
    pub(crate) fn summary(&mut self, facts: &[String]) {
        self.end_chapter();
        println!("\n{}", self.ink.bold("What you saw"));
        let width = self
            .chapters
            .iter()
            .map(|chapter| chapter.title.len())
            .max()
            .unwrap_or(0);
        for chapter in &self.chapters {
            let checks = format!(
                "{} {}",
                chapter.checks,
                if chapter.checks == 1 {
                    "check "
                } else {
                    "checks"
                }
            );
            let took = seconds(chapter.took);
            let line = format!("{:<width$}  {checks}  {took:>7}", chapter.title);
            println!("  {} {line}", self.ink.good("✓"));
        }
        println!();
        for fact in facts {
            println!("  {fact}");
        }
        let checks: usize = self.chapters.iter().map(|chapter| chapter.checks).sum();
        let total = format!(
            "{checks} checks passed in {}",
            seconds(self.began.elapsed())
        );
        println!("\n  {}", self.ink.good(&total));
    }
}

/// The word as a shell would have to be given it.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
