//! What each method of the protocol comes to.

use std::{borrow::Cow, sync::Arc};

use axum::http::request::Parts;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CustomRequest, CustomResult, ErrorCode,
        GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
        ServerConfig, Tool,
    },
    service::RequestContext,
};

use super::{asking::Asking, catalogue, head::VERSIONS, prompts, resources, tools};
use crate::http::{metrics::McpLabel, reads::Reads, state::State};

/// What a model is told before it asks for anything.
const INSTRUCTIONS: &str = "Insider dealings declared to regulators, scored from 0 to 100 by nine factors that anyone can audit, and a log of ranked trading signals. All tools only read. \
    Begin with top_signals (what insiders bought of late), recent_signals (what was sent to the streams) or company_overview (one company); list_markets says what there is data of. \
    Declarations are named by amfId, companies and insiders by slug, signals by UUID or <epoch>-<seq>. Times are UTC, ISO 8601; amounts are in the declaration's own currency, returns are \
    fractions. A score of 70 is strong, 50 high, 40 notable; null means that there is none, and `reason` why. Lists give 10 items unless asked for more: say how many there are in all. \
    The methodology is in sigcast://methodology/filings and sigcast://methodology/consensus. Each call and each reading of a resource takes one request of the key's plan (my_usage says what is left); \
    where the plan is used up, waiting is all that helps.";

/// Methods that are known here: what else is said of them than their name was not understood.
const METHODS: [&str; 12] = [
    "initialize",
    "server/discover",
    "ping",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
];

/// Answers messages; another one for each.
#[derive(Clone)]
pub struct Handler {
    state: Arc<State>,
    reads: Reads,
}

impl Handler {
    /// By these reads.
    #[must_use]
    pub fn new(state: Arc<State>, reads: Reads) -> Self {
        Handler { state, reads }
    }

    fn asking(&self, context: &RequestContext<RoleServer>) -> Result<Asking, ErrorData> {
        let head = context.extensions.get::<Parts>();
        let asking = head.and_then(|head| Asking::of(&self.reads, head));
        asking.ok_or_else(|| {
            tracing::error!("a message came past the guard");
            ErrorData::internal_error("Something failed here, not with you.", None)
        })
    }

    /// What may be called is counted from the beginning: a counter that appears with its first count shows no increase.
    pub fn count_from_nothing(&self) {
        let tools = catalogue::all().iter().map(|offer| offer.entry.name);
        let outcomes = |tool| ["ok", "error"].map(|outcome| McpLabel { tool, outcome });
        let other = McpLabel {
            tool: "other",
            outcome: "unknown",
        };
        for label in tools.flat_map(outcomes).chain([other]) {
            drop(self.state.metrics.mcp_calls.get_or_create(&label));
        }
    }

    fn count(&self, tool: &'static str, outcome: &'static str) {
        let label = McpLabel { tool, outcome };
        self.state.metrics.mcp_calls.get_or_create(&label).inc();
    }
}

/// Lists are whole: there is no second page to ask for.
fn first_page(asked: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    match asked.and_then(|asked| asked.cursor) {
        None => Ok(()),
        Some(_) => Err(ErrorData::invalid_params(
            "There is no such page: the list is whole.",
            None,
        )),
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let can = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .build();
        let who = Implementation::new("sigcast", env!("CARGO_PKG_VERSION")).with_title("sigcast");
        ServerConfig::new(can)
            .with_server_info(who)
            .with_instructions(INSTRUCTIONS)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(VERSIONS)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        catalogue::find(name).map(|offer| offer.tool.clone())
    }

    async fn list_tools(
        &self,
        asked: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        first_page(asked)?;
        let tools = catalogue::all().iter().map(|offer| offer.tool.clone());
        Ok(ListToolsResult::with_all_items(tools.collect()))
    }

    async fn call_tool(
        &self,
        asked: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(offer) = catalogue::find(&asked.name) else {
            self.count("other", "unknown");
            let shown: String = asked.name.chars().take(60).collect();
            return Err(ErrorData::invalid_params(
                format!("Unknown tool: {shown}"),
                None,
            ));
        };
        let asking = self.asking(&context)?;
        let result = tools::call(&asking, offer, asked.arguments.as_ref()).await;
        let outcome = match result.is_error {
            Some(true) => "error",
            _ => "ok",
        };
        self.count(offer.entry.name, outcome);
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        asked: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        first_page(asked)?;
        Ok(ListResourcesResult::with_all_items(resources::list()))
    }

    async fn list_resource_templates(
        &self,
        asked: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        first_page(asked)?;
        Ok(ListResourceTemplatesResult::with_all_items(
            resources::templates(),
        ))
    }

    async fn read_resource(
        &self,
        asked: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let asking = self.asking(&context)?;
        let read = resources::read(&asking, &asked.uri).await?;
        Ok(read.into())
    }

    async fn list_prompts(
        &self,
        asked: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        first_page(asked)?;
        Ok(ListPromptsResult::with_all_items(prompts::list()))
    }

    async fn get_prompt(
        &self,
        asked: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let state = &self.state;
        // it may be the first that asks for the data
        let seen = state.data.refresh(&state.db).await;
        seen.map_err(|error| {
            tracing::error!(%error, "a prompt met an unusable database");
            ErrorData::internal_error("The database cannot be used now.", None)
        })?;
        let now = state.clock.now();
        let got = prompts::get(
            &asked.name,
            asked.arguments.as_ref(),
            &state.data.markets(),
            now,
        )?;
        Ok(got.into())
    }

    /// What the library could not read as any method that it knows.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        if METHODS.contains(&request.method.as_str()) {
            let message = format!("The parameters of {} cannot be read.", request.method);
            return Err(ErrorData::invalid_params(message, None));
        }
        let shown: String = request.method.chars().take(60).collect();
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, shown, None))
    }
}
