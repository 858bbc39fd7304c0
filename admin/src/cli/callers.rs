//! `postern-admin gateway`, `operator` and `audit`.

use clap::{Args, Subcommand, ValueEnum};
use postern_admin::registry::callers::{GatewayView, OperatorRole, OperatorView};
use postern_admin::registry::{AuditLine, Report};
use serde_json::json;

use super::{Context, Failure};

#[derive(Subcommand)]
pub(crate) enum GatewayCommand {
    /// Adds a gateway, and prints its first credential, once
    New {
        /// The id that its configuration says
        id: String,
    },
    /// Lists gateways, with the ids of their credentials
    List,
    /// What the gateways last reported
    Status,
    /// Makes another credential for a gateway, which has two at most, and prints it, once
    NewCredential {
        /// The gateway's id
        id: String,
    },
    /// Refuses a credential from now on
    RevokeCredential {
        /// The credential's id
        credential: String,
    },
    /// Takes a gateway away, and its credentials with it. Final
    Remove {
        /// The gateway's id
        id: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum OperatorCommand {
    /// Adds an operator, and prints the credential, once
    New {
        /// The id that the audit log shows
        id: String,
        /// What they may do
        #[arg(long, value_enum, default_value_t = Role::Admin)]
        role: Role,
    },
    /// Lists operators
    List,
    /// Refuses an operator from now on
    Revoke {
        /// The operator's id
        id: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Role {
    /// Everything
    Admin,
    /// Reading
    Auditor,
}

#[derive(Args)]
pub(crate) struct Audit {
    /// Only lines about this id or name
    #[arg(long)]
    subject: Option<String>,
    /// Only lines before this one
    #[arg(long)]
    before: Option<u64>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

impl GatewayCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::New { id } => {
                let gateway = id.clone();
                let made = context
                    .change(move |change| {
                        Box::pin(async move {
                            change.add_gateway(&gateway).await?;
                            change.add_gateway_credential(&gateway).await
                        })
                    })
                    .await?;
                let about = json!({"gateway": id, "credential": made.id});
                let words = format!("credential {} of gateway {id}", made.id);
                context.output.secret(&made.secret, &about, &words)
            }
            Self::List => {
                let gateways = context.registry.gateways().await?;
                let heads = ["ID", "SINCE", "CREDENTIALS"];
                context
                    .output
                    .list(heads, &gateways, |gateway: &GatewayView| {
                        let ids = gateway.credentials.iter().map(|one| one.id.as_str());
                        [
                            gateway.id.clone(),
                            gateway.created_at.to_string(),
                            ids.collect::<Vec<_>>().join(" "),
                        ]
                    })
            }
            Self::Status => {
                let reports = context.registry.reports().await?;
                let heads = [
                    "GATEWAY",
                    "VM",
                    "REPORTED",
                    "EPOCH",
                    "REVISION",
                    "BEHIND",
                    "LAST ERROR",
                ];
                context.output.list(heads, &reports, |report: &Report| {
                    [
                        report.gateway.clone(),
                        report.vm.clone(),
                        report.received_at.to_string(),
                        report.number("epoch").to_string(),
                        report.number("revision").to_string(),
                        report.behind.to_string(),
                        report.last_error().unwrap_or_else(|| "-".to_owned()),
                    ]
                })
            }
            Self::NewCredential { id } => {
                let gateway = id.clone();
                let made = context
                    .change(move |change| {
                        Box::pin(async move { change.add_gateway_credential(&gateway).await })
                    })
                    .await?;
                let about = json!({"gateway": id, "credential": made.id});
                let words = format!("credential {} of gateway {id}", made.id);
                context.output.secret(&made.secret, &about, &words)
            }
            Self::RevokeCredential { credential } => {
                let named = credential.clone();
                context
                    .change(move |change| {
                        Box::pin(async move { change.revoke_gateway_credential(&named).await })
                    })
                    .await?;
                context.output.done(&format!("{credential} is revoked"))
            }
            Self::Remove { id } => {
                let named = id.clone();
                context
                    .change(move |change| {
                        Box::pin(async move { change.remove_gateway(&named).await })
                    })
                    .await?;
                context.output.done(&format!("{id} is removed"))
            }
        }
    }
}

impl OperatorCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::New { id, role } => {
                let role = match role {
                    Role::Admin => OperatorRole::Admin,
                    Role::Auditor => OperatorRole::Auditor,
                };
                let operator = id.clone();
                let secret = context
                    .change(move |change| {
                        Box::pin(async move { change.add_operator(&operator, role).await })
                    })
                    .await?;
                let about = json!({"operator": id, "role": role});
                let words = format!("operator {id}, {}", role.as_str());
                context.output.secret(&secret, &about, &words)
            }
            Self::List => {
                let operators = context.registry.operators().await?;
                let heads = ["ID", "ROLE", "SINCE"];
                context
                    .output
                    .list(heads, &operators, |one: &OperatorView| {
                        [
                            one.id.clone(),
                            one.role.as_str().to_owned(),
                            one.created_at.to_string(),
                        ]
                    })
            }
            Self::Revoke { id } => {
                let named = id.clone();
                context
                    .change(move |change| {
                        Box::pin(async move { change.revoke_operator(&named).await })
                    })
                    .await?;
                context.output.done(&format!("{id} is revoked"))
            }
        }
    }
}

impl Audit {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let lines = context
            .registry
            .audit(self.subject.as_deref(), self.before, self.limit)
            .await?;
        let heads = [
            "NO", "AT", "OPERATOR", "FROM", "ACTION", "SUBJECT", "DETAIL",
        ];
        context.output.list(heads, &lines, |line: &AuditLine| {
            [
                line.id.to_string(),
                line.at.to_string(),
                line.operator.clone(),
                line.address.clone(),
                line.action.clone(),
                line.subject.clone(),
                line.detail.to_string(),
            ]
        })
    }
}
