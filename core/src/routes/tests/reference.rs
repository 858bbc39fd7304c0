//! A matcher that goes through the policy as it is written, and random policies to compare it on.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Segments that fold alike in several ways, and some that do not.
const SEGMENTS: &[&str] = &["a", "A", "b", "B", "a:b", "A:b", "a%3Ab", "c"];
const HOSTS: &[&str] = &["h.example", "i.example"];
const HTTP: &[&str] = &["GET", "PUT"];

fn fold(segment: &str) -> String {
    segment.replace("%3A", ":").to_ascii_lowercase()
}

fn is_literal(case: Case, literal: &str, segment: &str) -> bool {
    literal == segment || case == Case::Insensitive && literal.eq_ignore_ascii_case(segment)
}

fn split(path: &str) -> Vec<&str> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .collect()
}

/// What the module's documentation says, on lists.
fn reference(services: &[Service], host: &str, path: &str, http: &str) -> Result<Found, Miss> {
    let segments = split(path);
    let here: Vec<(usize, Vec<&str>, Case)> = services
        .iter()
        .enumerate()
        .filter(|(_, service)| service.hosts.iter().any(|name| name == host))
        .map(|(index, service)| (index, split(&service.base_path), service.case))
        .collect();
    let best = here
        .iter()
        .filter(|(_, base, case)| {
            base.len() <= segments.len()
                && base
                    .iter()
                    .zip(&segments)
                    .all(|(literal, segment)| is_literal(*case, literal, segment))
        })
        .max_by_key(|(_, base, _)| base.len());
    let depth = best.map_or(0, |(_, base, _)| base.len());
    for end in depth + 1..=segments.len() {
        let alike: Vec<_> = here
            .iter()
            .filter(|(_, base, _)| {
                base.len() >= end
                    && base[..end]
                        .iter()
                        .zip(&segments)
                        .all(|(left, right)| fold(left) == fold(right))
            })
            .collect();
        let ends_here = alike.iter().any(|(_, base, _)| base.len() == end);
        let spelled: Vec<_> = alike
            .iter()
            .filter(|(_, _, case)| *case == Case::Sensitive)
            .map(|(_, base, _)| base[end - 1])
            .collect();
        if ends_here || !spelled.is_empty() && !spelled.contains(&segments[end - 1]) {
            return Err(Miss::Ambiguous { service: None });
        }
    }
    let &(service, _, case) = best.ok_or(Miss::NoService)?;
    let methods = &services[service].methods;
    let patterns = methods
        .iter()
        .enumerate()
        .map(|(index, method)| (index, split(&method.path)));
    let matching =
        walk(patterns.collect(), case, &segments[depth..]).map_err(|()| Miss::Ambiguous {
            service: Some(service),
        })?;
    if matching.is_empty() {
        return Err(Miss::NoPath { service });
    }
    matching
        .into_iter()
        .find(|method| methods[*method].http.iter().any(|name| name == http))
        .map(|method| Found { service, method })
        .ok_or(Miss::NoHttpMethod { service })
}

/// The methods with the most specific of `patterns` that matches.
fn walk(
    patterns: Vec<(usize, Vec<&str>)>,
    case: Case,
    segments: &[&str],
) -> Result<Vec<usize>, ()> {
    let with = |wanted: &dyn Fn(&str) -> bool| -> Vec<(usize, Vec<&str>)> {
        patterns
            .iter()
            .filter(|(_, pattern)| pattern.first().is_some_and(|first| wanted(first)))
            .map(|(method, pattern)| (*method, pattern[1..].to_vec()))
            .collect()
    };
    let Some((segment, below)) = segments.split_first() else {
        let ended = patterns.iter().filter(|(_, pattern)| pattern.is_empty());
        return Ok(ended.map(|(method, _)| *method).collect());
    };
    let exact = with(&|first| is_literal(case, first, segment));
    if exact.is_empty() {
        if !with(&|first| fold(first) == fold(segment)).is_empty() {
            return Err(());
        }
    } else {
        let found = walk(exact, case, below)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let found = walk(
        with(&|first| first.starts_with('{') && !first.starts_with("{*")),
        case,
        below,
    )?;
    if !found.is_empty() {
        return Ok(found);
    }
    let rest = with(&|first| first.starts_with("{*"));
    Ok(rest.into_iter().map(|(method, _)| method).collect())
}

fn cases() -> impl Strategy<Value = Case> {
    select(&[Case::Sensitive, Case::Insensitive][..])
}

fn literals(alphabet: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(select(alphabet), 0..=most)
        .prop_map(|segments| format!("/{}", segments.join("/")))
}

fn patterns(alphabet: &'static [&'static str]) -> impl Strategy<Value = String> {
    let segment =
        prop_oneof![4 => select(alphabet).prop_map(str::to_owned), 2 => Just("{}".to_owned())];
    (
        proptest::collection::vec(segment, 0..4),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(mut segments, rest)| {
            for (index, segment) in segments.iter_mut().enumerate() {
                if segment == "{}" {
                    *segment = format!("{{x{index}}}");
                }
            }
            if rest {
                segments.push("{*rest}".to_owned());
            }
            format!("/{}", segments.join("/"))
        })
}

fn methods(alphabet: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let http = select(&["GET", "PUT", "GET,PUT"][..]);
    let method = (http, patterns(alphabet)).prop_map(|(http, path)| format!("{http} {path}"));
    proptest::collection::vec(method, 0..8)
}

/// Policies without the services and methods that make them collide.
fn policies(alphabet: &'static [&'static str]) -> impl Strategy<Value = Vec<Service>> {
    let hosts = proptest::sample::subsequence(HOSTS, 1..=HOSTS.len());
    let service = (literals(alphabet, 3), cases(), hosts, methods(alphabet));
    proptest::collection::vec(service, 1..6).prop_map(|candidates| {
        let mut services: Vec<Service> = Vec::new();
        for (base, case, hosts, methods) in candidates {
            let mut next = service_named(services.len(), &base, case, &hosts);
            for text in &methods {
                next.methods.push(method(text));
                if RouteTable::build(std::slice::from_ref(&next), &[]).is_err() {
                    next.methods.pop();
                }
            }
            services.push(next);
            if RouteTable::build(&services, &[]).is_err() {
                services.pop();
            }
        }
        services
    })
}

fn service_named(index: usize, base: &str, case: Case, hosts: &[&str]) -> Service {
    let mut service = service(base, case, &[]);
    service.name = index.to_string();
    service.hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    service
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn the_table_agrees_with_the_reference(
        services in policies(SEGMENTS),
        requests in proptest::collection::vec((select(HOSTS), literals(SEGMENTS, 6), select(HTTP)), 32),
    ) {
        let table = RouteTable::build(&services, &[]).unwrap();
        for (host, target, http) in requests {
            let path = CanonicalPath::parse(target.as_bytes()).unwrap();
            prop_assert_eq!(
                table.find(host, &path, http),
                reference(&services, host, &target, http),
                "{} {} {}", host, http, target
            );
        }
    }

    /// Where a policy does not tell spellings apart itself, no spelling of a path reaches another method than the
    /// declared one: a restricted literal cannot be passed by.
    #[test]
    fn no_spelling_of_a_path_reaches_another_method(
        services in policies(&["a", "b", "a:b", "c"]),
        requests in proptest::collection::vec((literals(SEGMENTS, 6), select(HTTP)), 32),
    ) {
        let table = RouteTable::build(&services, &[]).unwrap();
        for (target, http) in requests {
            let declared = fold(&target);
            let path = CanonicalPath::parse(target.as_bytes()).unwrap();
            let plain = CanonicalPath::parse(declared.as_bytes()).unwrap();
            if let Ok(found) = table.find(HOSTS[0], &path, http) {
                prop_assert_eq!(Ok(found), table.find(HOSTS[0], &plain, http), "{} {}", http, target);
            }
        }
    }

    /// A literal may take a path from a pattern beside it, but never leaves it without any: rules only allow.
    #[test]
    fn one_more_method_leaves_no_path_without_a_pattern(
        services in policies(SEGMENTS),
        extra in patterns(SEGMENTS),
        requests in proptest::collection::vec(literals(SEGMENTS, 6), 32),
    ) {
        let before = RouteTable::build(&services, &[]).unwrap();
        let mut services = services;
        services[0].methods.push(method(&format!("POST {extra}")));
        let after = RouteTable::build(&services, &[]).unwrap();
        for target in requests {
            let path = CanonicalPath::parse(target.as_bytes()).unwrap();
            for host in HOSTS {
                if before.find(host, &path, "GET").is_ok() {
                    let found = after.find(host, &path, "GET");
                    prop_assert!(!matches!(found, Err(Miss::NoPath { .. } | Miss::NoService)), "{}", target);
                }
            }
        }
    }
}
