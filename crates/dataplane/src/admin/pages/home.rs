//! `/` and `/help`.
//!
//! Owns the page for people: every page with its parameters as a form. Follows the list in `pages`.

use super::{Context, Page, entries};
use crate::admin::response::Response;

pub const PAGES: &[Page] = &[
    Page { path: "/", post: false, help: "Admin home page", parameters: &[], answer: home },
    Page {
        path: "/help",
        post: false,
        help: "print out list of admin commands",
        parameters: &[],
        answer: help,
    },
];

fn help(context: &Context<'_>) -> Response {
    Response::text(200, super::help(context.state))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

const STYLE: &str = "body{font:16px/1.4 system-ui,sans-serif;margin:2em;max-width:70em}\
td{padding:.2em 1em .2em 0;vertical-align:top}form{margin:0}label{display:block;font-size:.85em}\
small{color:#666}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#9cf}}";

/// Parameters that mean something by being there, whatever their value.
const FLAGS: [&str; 7] =
    ["usedonly", "invert_filter", "text_readouts", "graceful", "skip_exit", "inboundonly", "include_eds"];

/// The input for one parameter. One that is left empty counts as not given.
fn field(name: &str, help: &str) -> String {
    let choices = help.split_once("One of (").and_then(|(_, list)| list.strip_suffix(')'));
    let input = if FLAGS.contains(&name) {
        format!("<input type=\"checkbox\" name=\"{name}\">")
    } else if let Some(choices) = choices {
        let options: String = choices
            .split(", ")
            .filter(|choice| !choice.is_empty())
            .map(|choice| format!("<option>{}", escape(choice)))
            .collect();
        format!("<select name=\"{name}\"><option>{options}</select>")
    } else {
        format!("<input name=\"{}\">", escape(name))
    };
    format!("<label title=\"{}\">{} {input}</label>", escape(help), escape(name))
}

fn home(context: &Context<'_>) -> Response {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Ferryman admin</title>\
         <style>{STYLE}</style></head>\n<body>\n<h1>Ferryman</h1>\n<p>{}, up for {} s</p>\n<table>\n",
        context.state.state().as_str(),
        context.state.uptime().as_secs(),
    );
    for entry in entries(context.state).iter().filter(|entry| entry.path != "/") {
        // Relative, so that the page works behind a path of another server.
        let path = escape(entry.path.trim_start_matches('/'));
        let method = if entry.post { "post" } else { "get" };
        page.push_str(&format!("<tr><td><form action=\"{path}\" method=\"{method}\">"));
        match (entry.post, entry.parameters.is_empty()) {
            (false, true) => page.push_str(&format!("<a href=\"{path}\">/{path}</a>")),
            _ => page.push_str(&format!("<button>/{path}</button>")),
        }
        for (name, help) in &entry.parameters {
            page.push_str(&field(name, help));
        }
        page.push_str(&format!("</form></td><td>{}</td></tr>\n", escape(&entry.help)));
    }
    page.push_str("</table>\n</body>\n</html>\n");
    Response::html(page)
}
