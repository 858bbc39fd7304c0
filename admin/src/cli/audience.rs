//! `postern-admin audience`, `public` and `bypass`: who may call.

use clap::{Args, Subcommand, ValueEnum};
use postern_admin::registry::Kind;
use postern_core::feed::Put;
use postern_core::policy::document::{
    Audience, AudienceMode, Bypass, PublicAuthorization, PublicRoute, Service,
};
use serde::Serialize;

use super::{Context, Failure};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Says who may call a service, or one method of it
    Set(Set),
    /// Has a method take its service's audience
    Inherit {
        /// The service
        service: String,
        /// The method
        #[arg(long)]
        method: String,
    },
    /// Lists who may call what
    List {
        /// Only of this service
        service: Option<String>,
    },
}

#[derive(Args)]
pub(crate) struct Set {
    /// The service
    service: String,
    /// The method; without it, all methods that have no audience of their own
    #[arg(long)]
    method: Option<String>,
    /// Everybody, or those listed; an empty list is nobody
    #[arg(long, value_enum)]
    mode: Mode,
    /// A person by id; more than once for several
    #[arg(long = "person")]
    persons: Vec<String>,
    /// A role; more than once for several
    #[arg(long = "role")]
    roles: Vec<String>,
    /// Of a method: the service's audience must allow as well
    #[arg(long)]
    rely_on_parent: bool,
    /// It binds those whom `bypass` exempts elsewhere
    #[arg(long)]
    enforce: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// Every active person
    Unrestricted,
    /// Those listed
    Restricted,
}

#[derive(Subcommand)]
pub(crate) enum PublicCommand {
    /// Adds a route that needs no credential
    Put(Route),
    /// Lists them
    List,
    /// Takes one away
    Delete(Route),
}

#[derive(Args)]
pub(crate) struct Route {
    /// The path, literally
    path: String,
    /// An HTTP method; more than once for several
    #[arg(long = "http", default_value = "GET")]
    http: Vec<String>,
    /// Only at this host; more than once for several
    #[arg(long = "host")]
    hosts: Vec<String>,
    /// An `Authorization` header that a caller sends all the same goes on to the upstream
    #[arg(long)]
    pass_authorization: bool,
}

#[derive(Subcommand)]
pub(crate) enum BypassCommand {
    /// Exempts a role from all audiences that do not say `enforce`
    Set {
        /// The role
        role: String,
    },
    /// Exempts nobody
    Clear,
}

/// Who may call a service or a method.
#[derive(Serialize)]
struct Row {
    service: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    audience: Audience,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Set(asked) => {
                let audience = Audience {
                    mode: match asked.mode {
                        Mode::Unrestricted => AudienceMode::Unrestricted,
                        Mode::Restricted => AudienceMode::Restricted,
                    },
                    persons: asked.persons,
                    roles: asked.roles,
                    rely_on_parent: asked.rely_on_parent,
                    enforce: asked.enforce,
                };
                set(context, asked.service, asked.method, Some(audience)).await
            }
            Self::Inherit { service, method } => set(context, service, Some(method), None).await,
            Self::List { service } => {
                let services = match service {
                    Some(name) => vec![context.registry.service(&name).await?],
                    None => all(context).await?,
                };
                let rows: Vec<Row> = services.into_iter().flat_map(rows).collect();
                let heads = ["SERVICE", "METHOD", "MODE", "PERSONS", "ROLES", "RULES"];
                context.output.list(heads, &rows, |row: &Row| {
                    let audience = &row.audience;
                    let rules = [
                        ("rely-on-parent", audience.rely_on_parent),
                        ("enforce", audience.enforce),
                    ];
                    let rules = rules.iter().filter(|(_, is_so)| *is_so);
                    [
                        row.service.clone(),
                        row.method.clone().unwrap_or_else(|| "-".to_owned()),
                        match audience.mode {
                            AudienceMode::Unrestricted => "unrestricted".to_owned(),
                            AudienceMode::Restricted => "restricted".to_owned(),
                        },
                        audience.persons.join(" "),
                        audience.roles.join(" "),
                        rules.map(|(name, _)| *name).collect::<Vec<_>>().join(" "),
                    ]
                })
            }
        }
    }
}

impl PublicCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Put(route) => {
                let (words, route) = (format!("{} is public", route.path), route.into());
                context
                    .change(|change| Box::pin(change.put_public(route)))
                    .await?;
                context.output.done(&words)
            }
            Self::Delete(route) => {
                let (words, route) = (format!("{} is no longer public", route.path), route.into());
                context
                    .change(|change| Box::pin(change.delete_public(route)))
                    .await?;
                context.output.done(&words)
            }
            Self::List => {
                let records = context.registry.records(Kind::Public).await?;
                let routes: Vec<PublicRoute> = records
                    .into_iter()
                    .filter_map(|record| match record {
                        Put::Public(route) => Some(route),
                        _ => None,
                    })
                    .collect();
                let heads = ["HTTP", "PATH", "HOSTS"];
                context.output.list(heads, &routes, |route: &PublicRoute| {
                    [
                        route.http.join(" "),
                        route.path.clone(),
                        route.hosts.join(" "),
                    ]
                })
            }
        }
    }
}

impl BypassCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (words, bypass) = match self {
            Self::Set { role } => (format!("{role} is exempt"), Some(Bypass { role })),
            Self::Clear => ("nobody is exempt".to_owned(), None),
        };
        context
            .change(|change| Box::pin(change.set_bypass(bypass)))
            .await?;
        context.output.done(&words)
    }
}

impl From<Route> for PublicRoute {
    fn from(route: Route) -> Self {
        Self {
            http: route.http,
            path: route.path,
            hosts: route.hosts,
            authorization: if route.pass_authorization {
                PublicAuthorization::Pass
            } else {
                PublicAuthorization::default()
            },
        }
    }
}

fn rows(service: Service) -> Vec<Row> {
    let name = service.name;
    let of_methods = service.methods.into_iter().filter_map(|method| {
        Some(Row {
            service: name.clone(),
            method: Some(method.name),
            audience: method.audience?,
        })
    });
    let own = Row {
        service: name.clone(),
        method: None,
        audience: service.audience,
    };
    std::iter::once(own).chain(of_methods).collect()
}

async fn all(context: &Context) -> Result<Vec<Service>, Failure> {
    let records = context.registry.records(Kind::Service).await?;
    let services = records.into_iter().filter_map(|record| match record {
        Put::Service(service) => Some(service),
        _ => None,
    });
    Ok(services.collect())
}

async fn set(
    context: &Context,
    service: String,
    method: Option<String>,
    audience: Option<Audience>,
) -> Result<(), Failure> {
    let words = format!("the audience of {service} is changed");
    context
        .change(move |change| {
            Box::pin(async move {
                change
                    .set_audience(&service, method.as_deref(), audience)
                    .await
            })
        })
        .await?;
    context.output.done(&words)
}
