//! An explanation as a person reads it.

use std::fmt::{self, Display, Formatter};

use postern_core::policy::document::AudienceMode;

use super::{AudienceView, Decision, Explanation, PersonView, RoleView};

/// More persons than these are a number.
const SHOWN: usize = 12;

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let decision = match self.decision {
            Decision::Allowed => "allowed",
            Decision::Answered => "answered",
            Decision::Refused => "refused",
        };
        if self.shadow.is_some() {
            f.write_str("would be ")?;
        }
        f.write_str(decision)?;
        if self.reason != decision {
            write!(f, ": {}", self.reason)?;
        }
        match self.status {
            Some(status) => writeln!(f, " (HTTP {status})")?,
            None => writeln!(f)?,
        }
        writeln!(f, "  {}\n", self.sentence)?;
        self.shadow(f)?;

        let request = &self.request;
        line(
            f,
            "request",
            format_args!(
                "{} {} at host {}",
                request.method, request.path, request.authority
            ),
        )?;
        line(f, "at", self.at)?;
        self.caller(f)?;
        if let Some(member) = &self.own_path {
            line(f, "own path", format_args!("{member} of the configuration"))?;
        }
        if let Some(route) = &self.public {
            line(f, "public", route)?;
        }
        if let Some(preflight) = &self.preflight {
            line(f, "preflight", format_args!("{preflight}: pass"))?;
        }
        if let Some(method) = &self.method {
            line(
                f,
                "method",
                format_args!(
                    "{} of service {}, {}",
                    method.method, method.service, method.path
                ),
            )?;
            line(
                f,
                "",
                format_args!("{} {}", method.http.join(", "), method.pattern),
            )?;
        }
        for view in &self.audiences {
            audience(f, view)?;
        }
        self.upstream(f)?;
        let mut name = "to change";
        for sentence in &self.advice {
            line(f, name, sentence)?;
            name = "";
        }
        Ok(())
    }
}

impl Explanation {
    fn shadow(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(shadow) = &self.shadow else {
            return Ok(());
        };
        let until = shadow.until;
        line(
            f,
            "shadow",
            format_args!("until {until} the request goes on as it came, and this is only counted"),
        )?;
        if !shadow.removed.is_empty() {
            let removed = shadow.removed.join(", ");
            line(
                f,
                "",
                format_args!("the upstream does not get the caller's {removed}"),
            )?;
        }
        line(f, "", "what follows is what would be\n")
    }

    fn caller(&self, f: &mut Formatter<'_>) -> fmt::Result {
        line(f, "caller", &self.caller.credential)?;
        if let Some(person) = &self.caller.person {
            let roles = if person.roles.is_empty() {
                "no roles".to_owned()
            } else {
                format!("roles {}", person.roles.join(", "))
            };
            line(f, "", format_args!("person {}, {roles}", named(person)))?;
        }
        let Some(exchange) = &self.exchange else {
            return Ok(());
        };
        match &exchange.expires_at {
            Some(end) => line(f, "", format_args!("an exchange gives one until {end}")),
            None => line(
                f,
                "",
                format_args!(
                    "an exchange gives none now: {} (HTTP {})",
                    exchange.reason, exchange.status
                ),
            ),
        }
    }

    fn upstream(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(upstream) = &self.upstream else {
            return line(f, "upstream", "is not reached");
        };
        let mut name = "upstream";
        for (header, value) in &upstream.set {
            line(f, name, format_args!("gets {header}: {value}"))?;
            name = "";
        }
        if let Some(service) = &upstream.service_token {
            let gets = "gets a service token";
            line(
                f,
                name,
                format_args!("{gets} for {service} in the place of the caller's authorization"),
            )?;
            name = "";
        }
        if !upstream.removed.is_empty() {
            let removed = upstream.removed.join(", ");
            line(f, name, format_args!("does not get the caller's {removed}"))?;
            name = "";
        }
        if upstream.set.is_empty()
            && upstream.removed.is_empty()
            && upstream.service_token.is_none()
        {
            line(f, name, "gets the request as it is")?;
        }
        Ok(())
    }
}

fn audience(f: &mut Formatter<'_>, view: &AudienceView) -> fmt::Result {
    let verdict = match view.admits {
        Some(true) => ": admits the caller",
        Some(false) => ": does not admit the caller",
        None => "",
    };
    line(f, "audience", format_args!("{}{verdict}", view.path))?;
    if view.mode == AudienceMode::Unrestricted {
        return line(f, "", "every active person");
    }
    if view.persons.is_empty() && view.roles.is_empty() {
        line(f, "", "lists nobody")?;
    }
    if !view.persons.is_empty() {
        let persons: Vec<_> = view.persons.iter().map(named).collect();
        line(f, "", format_args!("persons {}", listed(&persons)))?;
    }
    for role in &view.roles {
        line(f, "", format_args!("role {}", members(role)))?;
    }
    if let Some(role) = &view.exempt {
        line(f, "", format_args!("exempt: role {}", members(role)))?;
    }
    if view.enforce {
        line(f, "", "enforced: nobody is exempt")?;
    }
    Ok(())
}

fn members(role: &RoleView) -> String {
    if role.persons.is_empty() {
        return format!("{}: nobody", role.name);
    }
    let persons: Vec<_> = role.persons.iter().map(named).collect();
    format!("{}: {}", role.name, listed(&persons))
}

fn named(person: &PersonView) -> String {
    let inactive = if person.active { "" } else { " (inactive)" };
    format!("{}{inactive}", person.id)
}

fn listed(names: &[String]) -> String {
    match names.get(..SHOWN) {
        Some(shown) if names.len() > SHOWN => {
            format!("{} and {} more", shown.join(", "), names.len() - SHOWN)
        }
        _ => names.join(", "),
    }
}

fn line(f: &mut Formatter<'_>, name: &str, text: impl Display) -> fmt::Result {
    writeln!(f, "{name:<10} {text}")
}
