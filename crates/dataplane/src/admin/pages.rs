//! The list of pages, and finding the one that is asked for.
//!
//! Owns paths, methods and help texts, which are Envoy's. Each group of pages is one file in `pages/`; the pages of
//! Python come from `PythonPages`.

mod clusters;
mod control;
mod explain;
mod home;
mod listeners;
mod logging;
mod runtime;
mod server;
mod stats;

use std::sync::Arc;

use super::proxy_state::ProxyState;
use super::python_pages::{DEADLINE, NoReply, PATIENCE};
use super::request::Request;
use super::response::{Body, Response};
use crate::stats::Registry;

/// What a page may look at.
pub struct Context<'c> {
    /// The question.
    pub request: &'c Request,
    /// The proxy.
    pub state: &'c Arc<dyn ProxyState>,
    /// All statistics.
    pub registry: &'c Arc<Registry>,
}

/// A page that is answered here.
pub struct Page {
    /// Its path.
    pub path: &'static str,
    /// Whether it changes something and so needs a POST.
    pub post: bool,
    /// What it is for.
    pub help: &'static str,
    /// Its parameters and what they mean.
    pub parameters: &'static [(&'static str, &'static str)],
    /// Answers it.
    pub answer: fn(&Context<'_>) -> Response,
}

/// All pages that are answered here.
fn pages() -> impl Iterator<Item = &'static Page> {
    [
        home::PAGES,
        server::PAGES,
        stats::PAGES,
        clusters::PAGES,
        listeners::PAGES,
        logging::PAGES,
        runtime::PAGES,
        control::PAGES,
    ]
    .into_iter()
    .flatten()
}

/// A page as `/help` lists it.
struct Entry {
    path: String,
    post: bool,
    help: String,
    parameters: Vec<(String, String)>,
}

/// All pages, those of Python too, sorted by path.
fn entries(state: &Arc<dyn ProxyState>) -> Vec<Entry> {
    let here = pages().map(|page| Entry {
        path: page.path.to_owned(),
        post: page.post,
        help: page.help.to_owned(),
        parameters: page
            .parameters
            .iter()
            .map(|(name, help)| ((*name).to_owned(), (*help).to_owned()))
            .collect(),
    });
    let python = state.python_pages().pages().iter().map(|page| {
        let (help, parameters) = page.help.split_once('\n').unwrap_or((&page.help, ""));
        let split = |line: &str| line.split_once(": ").map(|(name, help)| (name.to_owned(), help.to_owned()));
        Entry {
            path: page.path.clone(),
            post: page.post,
            help: help.to_owned(),
            parameters: parameters.lines().filter_map(split).collect(),
        }
    });
    let mut entries: Vec<Entry> = here.chain(python).collect();
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    entries
}

/// The list that `/help` shows, and an unknown path.
fn help(state: &Arc<dyn ProxyState>) -> String {
    let mut text = String::from("admin commands are:\n");
    for entry in entries(state) {
        let post = if entry.post { " (POST)" } else { "" };
        text.push_str(&format!("  {}{post}: {}\n", entry.path, entry.help));
        for (name, help) in entry.parameters {
            text.push_str(&format!("      {name}: {help}\n"));
        }
    }
    text
}

fn wrong_method(method: &str) -> Response {
    Response::text(405, format!("Method {method} not allowed, POST required."))
}

/// Answers a request that was let through.
pub async fn answer(context: &Context<'_>) -> Response {
    let request = context.request;
    if !context.state.path_allowed(&request.target) {
        return Response::text(403, format!("request to path {} not allowed", request.target));
    }
    if let Some(page) = pages().find(|page| page.path == request.path) {
        if page.post && request.method != "POST" {
            return wrong_method(&request.method);
        }
        return (page.answer)(context);
    }
    let python = context.state.python_pages();
    match python.pages().iter().find(|page| page.path == request.path) {
        Some(page) if page.post && request.method != "POST" => wrong_method(&request.method),
        Some(_) => ask_python(context).await,
        None => Response::text(404, format!("invalid path. {}", help(context.state))),
    }
}

async fn ask_python(context: &Context<'_>) -> Response {
    let request = context.request;
    let pages = context.state.python_pages();
    let patience = if request.path == explain::PATH { PATIENCE } else { DEADLINE };
    match pages.ask(&request.method, &request.path, &request.query, request.body.clone(), patience).await {
        Ok(reply) => {
            Response { status: reply.status, content_type: reply.content_type, body: Body::Whole(reply.body) }
        }
        Err(NoReply::Late | NoReply::Busy) if request.path == explain::PATH => explain::facts_alone(context),
        Err(NoReply::Late) => Response::text(
            504,
            format!(
                "{} is answered by Python, which did not within {} s. Traffic is not affected.\n",
                request.path,
                DEADLINE.as_secs()
            ),
        ),
        Err(NoReply::Busy) => Response::text(
            503,
            format!("{} is answered by Python, for which too many requests wait already.\n", request.path),
        ),
        Err(NoReply::Gone) => {
            Response::text(503, format!("{} is answered by Python, which has ended.\n", request.path))
        }
    }
}
