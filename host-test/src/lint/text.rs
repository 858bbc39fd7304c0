//! A report for people.

use std::collections::BTreeMap;
use std::fmt;

use super::Report;
use super::hosts::Support;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        row(f, "size", &format!("{} bytes", self.size))?;
        row(f, "ABI", &or_none(&self.abi_versions))?;
        row(f, "SDK", self.sdk.as_deref().unwrap_or("not told"))?;
        let producers: Vec<String> = self
            .producers
            .iter()
            .map(|producer| {
                format!("{} {}", producer.name, producer.version)
                    .trim()
                    .to_owned()
            })
            .collect();
        row(f, "made by", &or_none(&producers))?;
        row(f, "allocator", self.allocator.as_deref().unwrap_or("none"))?;
        row(f, "starts with", &or_none(&self.starts_with))?;
        row(f, "memory", &self.memory_in_words())?;
        row(f, "features", &or_none(&self.features))?;
        let sections: Vec<String> = self
            .sections
            .iter()
            .map(|section| format!("{} {}", section.name, section.size))
            .collect();
        row(f, "sections", &or_none(&sections))?;
        let callbacks: Vec<&str> = self
            .exports
            .iter()
            .map(|export| export.name.as_str())
            .filter(|name| name.starts_with("proxy_on_"))
            .collect();
        row(f, "callbacks", &or_none(&callbacks))?;
        writeln!(f, "{:<12} {}", "imports", self.imports.len())?;
        for import in &self.imports {
            write!(f, "  {}.{}{}", import.module, import.name, import.ty)?;
            let differing: BTreeMap<_, _> = import
                .hosts
                .iter()
                .filter(|(_, support)| **support != Support::Works)
                .collect();
            let words: Vec<String> = differing
                .iter()
                .map(|(host, support)| format!("{host} {support}"))
                .collect();
            if words.is_empty() {
                writeln!(f)?;
            } else {
                writeln!(f, ": {}", words.join("; "))?;
            }
        }
        if self.findings.is_empty() {
            return writeln!(f, "\nNo findings.");
        }
        // Findings of one kind stand together.
        for group in self.findings.chunk_by(|one, other| one.lint == other.lint) {
            let Some(first) = group.first() else { continue };
            let lint = first.lint;
            writeln!(f, "\n{lint} {} {}", first.severity, lint.name())?;
            writeln!(f, "  {} {}", lint.summary(), lint.advice())?;
            for finding in group.iter().filter(|finding| !finding.detail.is_empty()) {
                writeln!(f, "  - {}", finding.detail)?;
            }
        }
        Ok(())
    }
}

impl Report {
    fn memory_in_words(&self) -> String {
        self.memory.map_or_else(
            || "none".to_owned(),
            |memory| {
                let maximum = memory
                    .maximum
                    .map_or_else(|| "no maximum".to_owned(), |most| format!("at most {most}"));
                format!("{} bytes, {maximum}", memory.initial)
            },
        )
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    writeln!(f, "{name:<12} {value}")
}

fn or_none<T: AsRef<str>>(words: &[T]) -> String {
    if words.is_empty() {
        return "none".to_owned();
    }
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    words.join(", ")
}
