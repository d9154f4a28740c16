//! Stages and their bases: names, arguments and platforms of FROM, and who copies from whom.

use std::collections::BTreeMap;

use super::super::rule::{BUILDKIT, CORACLE, Check, Rule};
use super::super::view::{View, found};
use super::form::{is_lower, is_upper};
use super::variables::variable;
use crate::diagnostic::{Diagnostic, Severity, Span, did_you_mean};
use crate::dockerfile::expand::{self, Expanded};
use crate::dockerfile::stages::{Base, How, Stage, sources};
use crate::reference::Reference;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "StageNameCasing",
        reason: "Stage names are compared in small letters, whatever is written",
        bad: "FROM scratch AS Build\n",
        good: "FROM scratch AS build\n",
        check: Check::Rule(name_casing),
        ..BUILDKIT
    },
    Rule {
        name: "FromAsCasing",
        reason: "FROM and AS belong together",
        bad: "FROM scratch as base\n",
        good: "FROM scratch AS base\n",
        check: Check::Rule(as_casing),
        ..BUILDKIT
    },
    Rule {
        name: "DuplicateStageName",
        reason: "A name means the last stage above that has it",
        bad: "FROM scratch AS base\nFROM scratch AS base\n",
        good: "FROM scratch AS base\nFROM scratch AS other\n",
        ..BUILDKIT
    },
    Rule {
        name: "ReservedStageName",
        reason: "`scratch` is the empty base, and `context` the build context",
        bad: "FROM alpine:3.22 AS scratch\n",
        good: "FROM alpine:3.22 AS base\n",
        ..BUILDKIT
    },
    Rule {
        name: "UndefinedArgInFrom",
        reason: "A FROM sees only the arguments that are declared before the first FROM",
        bad: "ARG VERSION=3.22\nFROM alpine:${VERSOIN}\n",
        good: "ARG VERSION=3.22\nFROM alpine:${VERSION}\n",
        check: Check::Rule(undefined_arguments),
        ..BUILDKIT
    },
    Rule {
        name: "InvalidDefaultArgInFrom",
        reason: "Whoever gives no --build-arg gets an error",
        bad: "ARG VERSION\nFROM alpine:${VERSION}\n",
        good: "ARG VERSION=3.22\nFROM alpine:${VERSION}\n",
        check: Check::Rule(invalid_defaults),
        ..BUILDKIT
    },
    Rule {
        name: "RedundantTargetPlatform",
        reason: "The target's platform is what FROM takes anyway",
        bad: "FROM --platform=$TARGETPLATFORM alpine:3.22\n",
        good: "FROM alpine:3.22\n",
        check: Check::Rule(redundant_platform),
        ..BUILDKIT
    },
    Rule {
        name: "FromPlatformFlagConstDisallowed",
        reason: "A fixed platform makes an image of that platform, whatever was asked for; leave it \
                 out, write $BUILDPLATFORM, or name the stage after the platform",
        bad: "FROM --platform=linux/amd64 alpine:3.22 AS base\n",
        good: "FROM --platform=$BUILDPLATFORM alpine:3.22 AS base\n",
        check: Check::Rule(fixed_platform),
        ..BUILDKIT
    },
    Rule {
        name: "UntaggedBase",
        reason: "Without a tag it is `latest`, which is another image every few weeks",
        bad: "FROM alpine\n",
        good: "FROM alpine:3.22\n",
        check: Check::Rule(untagged),
        ..CORACLE
    },
    Rule {
        name: "LatestTag",
        reason: "`latest` is another image every few weeks, and the build with it",
        bad: "FROM alpine:latest\n",
        good: "FROM alpine:3.22\n",
        check: Check::Rule(latest),
        ..CORACLE
    },
    Rule {
        name: "StageOrder",
        severity: Severity::Error,
        reason: "A stage can take files only from stages that stand before it",
        bad: "FROM scratch\nCOPY --from=build /app /app\nFROM alpine:3.22 AS build\n",
        good: "FROM alpine:3.22 AS build\nFROM scratch\nCOPY --from=build /app /app\n",
        check: Check::Rule(order),
        ..CORACLE
    },
    Rule {
        name: "StageTypo",
        reason: "What names no stage is looked for as an image",
        bad: "FROM alpine:3.22 AS builder\nFROM scratch\nCOPY --from=bulider /app /app\n",
        good: "FROM alpine:3.22 AS builder\nFROM scratch\nCOPY --from=builder /app /app\n",
        check: Check::Rule(typo),
        ..CORACLE
    },
];

fn name_casing(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for stage in &view.stages.list {
        let Some(name) = &stage.said.name else {
            continue;
        };
        let written = &view.source[name.span.range()];
        if is_lower(written) {
            continue;
        }
        let message = format!("the stage name `{written}` is not in small letters");
        let finding = found(name.span, message);
        let small = name.value.clone();
        findings.push(finding.fix(format!("write {small}"), name.span, small));
    }
    findings
}

fn as_casing(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for stage in &view.stages.list {
        let keyword = stage.from.keyword.as_str();
        let Some(word) = stage.from.args.get(1).filter(|_| stage.said.name.is_some()) else {
            continue;
        };
        // A keyword of both cases has a finding of its own.
        let right = match (is_upper(keyword), is_lower(keyword)) {
            (true, _) if !is_upper(word) => "AS",
            (_, true) if !is_lower(word) => "as",
            _ => continue,
        };
        let message = format!("`{}` is not in the case of `{keyword}`", **word);
        let finding = found(word.span, message);
        findings.push(finding.fix(format!("write {right}"), word.span, right));
    }
    findings
}

fn undefined_arguments(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let known = &view.stages.args;
    for stage in &view.stages.list {
        for text in [Some(&stage.said.base), stage.said.platform.as_ref()] {
            let Some(text) = text else { continue };
            let Some(expanded) = expanded(view, text, known) else {
                continue;
            };
            let undefined = expanded.undefined.iter();
            for name in undefined.filter(|name| !known.contains_key(*name)) {
                let message = format!("no argument before the first FROM is named `{name}`");
                let names = known.keys().map(String::as_str);
                findings.push(variable(view, text.span, name, message, names));
            }
        }
    }
    findings
}

/// A text of FROM, expanded with what stands before the first FROM.
fn expanded(
    view: &View<'_>,
    text: &str,
    known: &BTreeMap<String, Option<String>>,
) -> Option<Expanded> {
    let options = expand::Options {
        escape: view.file.escape,
        ..expand::Options::default()
    };
    expand::expand(text, options, &|name| known.get(name).cloned().flatten()).ok()
}

fn invalid_defaults(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for stage in &view.stages.list {
        let written = &stage.said.base;
        let Base::Image(name) = &stage.base else {
            continue;
        };
        // What names an undeclared argument has a finding of its own.
        let declared = expanded(view, written, &view.stages.args).is_some_and(|expanded| {
            expanded
                .undefined
                .iter()
                .all(|name| view.stages.args.contains_key(name))
        });
        if !written.contains('$') || !declared || name.parse::<Reference>().is_ok() {
            continue;
        }
        let result = if name.is_empty() {
            "nothing".to_owned()
        } else {
            format!("`{name}`, which names no image")
        };
        let message = format!("with the defaults alone, `{}` is {result}", **written);
        findings.push(found(written.span, message));
    }
    findings
}

fn redundant_platform(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for stage in &view.stages.list {
        let flag = stage
            .from
            .flags
            .iter()
            .find(|flag| *flag.name == "platform");
        let (Some(flag), Some(platform)) = (flag, &stage.said.platform) else {
            continue;
        };
        if !matches!(platform.as_str(), "$TARGETPLATFORM" | "${TARGETPLATFORM}") {
            continue;
        }
        let cut = Span::new(flag.span.start, stage.from.args[0].span.start);
        let only = view.source[cut.range()].trim() == flag.text;
        let finding = found(flag.span, "this is the platform that FROM takes anyway");
        findings.push(if only {
            finding.fix("remove the flag", cut, "")
        } else {
            finding
        });
    }
    findings
}

fn fixed_platform(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for stage in &view.stages.list {
        let Some(platform) = &stage.said.platform else {
            continue;
        };
        let name = stage.said.name.as_ref().map_or("", |name| name.as_str());
        let mut parts = platform.split('/').take(2);
        if platform.contains('$') || parts.any(|part| name.contains(part)) {
            continue;
        }
        let message = format!("the platform is always {}", **platform);
        findings.push(found(platform.span, message));
    }
    findings
}

/// The stages that start from an image, with its reference as it is written.
fn images<'a>(view: &'a View<'_>) -> impl Iterator<Item = (&'a Stage<'a>, Reference)> {
    view.stages.list.iter().filter_map(|stage| {
        // What a variable says is for whoever sets it.
        let written = stage.said.base.as_str();
        match stage.base {
            Base::Image(_) if !written.contains('$') => Some((stage, written.parse().ok()?)),
            _ => None,
        }
    })
}

fn untagged(view: &View<'_>) -> Vec<Diagnostic> {
    images(view)
        .filter(|(_, reference)| reference.tag.is_none() && reference.digest.is_none())
        .map(|(stage, _)| {
            let base = &stage.said.base;
            let finding = found(base.span, format!("`{}` has no tag", **base));
            let earlier = view.stages.list[..stage.number].iter();
            let names = earlier.filter_map(|s| s.said.name.as_ref());
            match did_you_mean(base, names.map(|name| name.as_str())) {
                Some(near) => finding.note(format!("did you mean the stage `{near}`?")),
                None => finding,
            }
        })
        .collect()
}

fn latest(view: &View<'_>) -> Vec<Diagnostic> {
    images(view)
        .filter(|(_, reference)| {
            let tag = reference.tag.as_ref();
            reference.digest.is_none() && tag.is_some_and(|tag| tag.as_str() == "latest")
        })
        .map(|(stage, _)| {
            let base = &stage.said.base;
            found(base.span, format!("`{}` moves", **base))
        })
        .collect()
}

fn order(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for stage in &view.stages.list {
        for instruction in &stage.body {
            for (name, how) in sources(instruction) {
                if view.stages.find(name, stage.number).is_some() {
                    continue;
                }
                let Some(later) = view.stages.find(name, view.stages.list.len()) else {
                    continue;
                };
                let which = if later == stage.number {
                    "this very stage"
                } else {
                    "a stage further down"
                };
                let what = match how {
                    How::Copy => "--from",
                    How::Mount | How::Base => "from",
                };
                let message = format!("{what}={} names {which}", **name);
                findings.push(found(name.span, message));
            }
        }
    }
    findings
}

fn typo(view: &View<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for stage in &view.stages.list {
        for instruction in &stage.body {
            for (name, _) in sources(instruction) {
                if view.stages.find(name, view.stages.list.len()).is_some() {
                    continue;
                }
                // A name with a tag or a path is surely an image's.
                let plain = !name.contains(['/', ':', '@', '$']);
                let earlier = view.stages.list[..stage.number].iter();
                let names = earlier.filter_map(|s| s.said.name.as_ref());
                let near = did_you_mean(name, names.map(|name| name.as_str()));
                let Some(near) = near.filter(|_| plain) else {
                    continue;
                };
                let message = format!("there is no stage `{}`", **name);
                let finding = found(name.span, message);
                let exact = view.source.get(name.span.range()) == Some(name.as_str());
                findings.push(if exact {
                    finding.fix(format!("write {near}"), name.span, near)
                } else {
                    finding.note(format!("did you mean {near}?"))
                });
            }
        }
    }
    findings
}
