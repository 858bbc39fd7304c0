//! Routes and internal redirects. What is expected here is what Envoy 1.40 did with `envoy/chain.wat`, the same routes and the
//! same requests.

use std::time::Duration;

use postern_host::{
    AnsweredBy, CalloutReply, Exchange, Host, HostBuilder, Module, PluginId, Reply, Request, Route,
};

fn builder() -> HostBuilder {
    let module = Module::compile(include_str!("envoy/chain.wat")).expect("the guest compiles");
    Host::builder(&module)
        .vm_configuration("vmconf")
        .trace(true)
        .upstream_cluster("main", |request| upstream(request, "main"))
        .upstream_cluster("b", |request| upstream(request, "b"))
}

/// Redirects paths that begin with `/redir` to where `x-loc` says.
fn upstream(request: &postern_host::UpstreamRequest, name: &str) -> Reply {
    let path = request.headers.text(":path").unwrap_or_default();
    if path.starts_with("/redir") {
        let location = request.headers.get("x-loc").unwrap_or_default();
        return Reply::new(302)
            .header("location", location)
            .header("content-length", "0");
    }
    Reply::ok()
        .header("content-length", "2")
        .header("x-up", name)
        .chunk("ok")
}

fn started(builder: HostBuilder, configuration: &str) -> (Host, PluginId) {
    let mut host = builder.build();
    let plugin = host.add_plugin(configuration).expect("accepted");
    host.take_trace();
    (host, plugin)
}

fn calls(exchange: &Exchange) -> Vec<String> {
    let calls = exchange.trace.iter().filter_map(|line| {
        let call = line.strip_prefix("[host->vm] proxy_on_")?;
        Some(call.to_owned())
    });
    calls.collect()
}

fn by_header() -> HostBuilder {
    builder()
        .route(Route::prefix("/").header("x-by", "A").to("b"))
        .route(Route::prefix("/").to("main"))
}

#[test]
fn a_header_that_a_filter_writes_chooses_the_route() {
    for (configuration, cluster) in [("Awccc", "b"), ("Acccc", "main")] {
        let (mut host, plugin) = started(by_header(), configuration);
        let exchange = host.request(plugin, Request::get("/"));
        assert_eq!(exchange.header_text("x-up").as_deref(), Some(cluster));
        assert_eq!(
            exchange.upstream.expect("sent").cluster.as_deref(),
            Some(cluster)
        );
    }
}

#[test]
fn where_no_route_matches_the_filter_is_called_and_the_answer_is_404() {
    let route = || builder().route(Route::prefix("/only").to("main"));
    let (mut host, plugin) = started(route(), "Acccc");
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!(
        (exchange.status(), exchange.answered_by),
        (404, AnsweredBy::Host)
    );
    assert_eq!(exchange.details, "route_not_found");
    assert_eq!(
        calls(&exchange),
        [
            "context_create(2, 1)",
            "request_headers(2, 6, 1)",
            "response_headers(2, 1, 1)",
            "log(2)",
            "done(2)",
            "delete(2)"
        ]
    );
    let exchange = host.request(plugin, Request::post("/").chunk("abc").chunk("def"));
    assert_eq!(exchange.status(), 404);
    assert_eq!(
        calls(&exchange)[1..3],
        ["request_headers(3, 6, 0)", "response_headers(3, 1, 1)"],
        "no body callback comes before the answer"
    );
}

#[test]
fn a_direct_response_leaves_when_the_filter_has_passed_the_headers() {
    let route = builder().route(Route::prefix("/").direct_response(418, "tea"));
    let (mut host, plugin) = started(route, "Acccc");
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!(
        (exchange.status(), exchange.body_text().as_str()),
        (418, "tea")
    );
    assert_eq!(exchange.details, "direct_response");
    assert_eq!(
        calls(&exchange)[2..4],
        ["response_headers(2, 3, 0)", "response_body(2, 3, 1)"]
    );
    // A filter that wants to answer at the end of the body never gets there.
    let route = builder().route(Route::prefix("/").direct_response(418, "tea"));
    let (mut host, plugin) = started(route, "Aclcc");
    let exchange = host.request(plugin, Request::post("/").chunk("abc"));
    assert_eq!(exchange.status(), 418);
}

#[test]
fn a_cluster_that_there_is_not_is_a_503() {
    let (mut host, plugin) = started(builder().route(Route::prefix("/").to("other")), "Acccc");
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!(
        (exchange.status(), exchange.details.as_str()),
        (503, "cluster_not_found")
    );
    assert_eq!(calls(&exchange)[2], "response_headers(2, 1, 1)");
}

fn following(route: Route, configuration: &str) -> (Host, PluginId) {
    started(builder().route(route), configuration)
}

fn redirecting(location: &str) -> Request {
    Request::get("/redir")
        .authority("orig.example:81")
        .header("x-loc", location)
}

#[test]
fn a_redirect_that_is_followed_passes_the_chain_again_with_the_headers_that_it_wrote() {
    let route = Route::prefix("/").to("main").follow_redirects_up_to(2);
    let (mut host, plugin) = following(route, "Awccc");
    let exchange = host.request(plugin, redirecting("http://other.example/next?x=1"));
    assert_eq!(exchange.status(), 200);
    assert_eq!(
        calls(&exchange),
        [
            "context_create(2, 1)",
            "request_headers(2, 7, 1)",
            "log(2)",
            "done(2)",
            "delete(2)",
            "context_create(3, 1)",
            "request_headers(3, 10, 1)",
            "response_headers(3, 4, 0)",
            "response_body(3, 2, 0)",
            "response_body(3, 0, 1)",
            "log(3)",
            "done(3)",
            "delete(3)"
        ],
        "the filter hears nothing of the redirect"
    );
    let second = exchange.upstream.expect("sent").headers;
    let text = |name: &str| second.text(name).unwrap_or_default();
    assert_eq!(
        (text(":authority"), text(":path")),
        ("other.example".to_owned(), "/next?x=1".to_owned())
    );
    assert_eq!(text("x-envoy-original-url"), "http://orig.example:81/redir");
    assert_eq!(second.all("x-by"), [b"A", b"A"], "written in each pass");
    assert_eq!(
        exchange.redirected[0].headers.text(":path").as_deref(),
        Some("/redir")
    );
}

#[test]
fn a_redirect_is_followed_so_often_and_then_passed_on() {
    for (route, passes) in [
        (Route::prefix("/").to("main"), 1),
        (Route::prefix("/").to("main").follow_redirects(), 2),
        (Route::prefix("/").to("main").follow_redirects_up_to(2), 3),
    ] {
        let (mut host, plugin) = following(route, "Acccc");
        let exchange = host.request(plugin, redirecting("http://other.example/redir2"));
        assert_eq!(exchange.status(), 302);
        assert_eq!(exchange.redirected.len() + 1, passes);
        let seen = calls(&exchange);
        let count = |name: &str| seen.iter().filter(|call| call.starts_with(name)).count();
        assert_eq!(
            (count("request_headers"), count("response_headers")),
            (passes, 1)
        );
    }
}

#[test]
fn a_relative_redirect_and_one_to_another_scheme_are_passed_on() {
    let route = || Route::prefix("/").to("main").follow_redirects();
    for (route, location, status) in [
        (route(), "/relative", 302),
        (route(), "https://other.example/next", 302),
        (
            route().follow_to_other_schemes(),
            "https://other.example/next",
            200,
        ),
    ] {
        let (mut host, plugin) = following(route, "Acccc");
        let exchange = host.request(plugin, redirecting(location));
        assert_eq!(exchange.status(), status, "{location}");
    }
}

#[test]
fn the_body_goes_to_where_the_redirect_leads_in_one_piece() {
    let (mut host, plugin) = following(Route::prefix("/").to("main").follow_redirects(), "Acccc");
    let request = Request::post("/redir")
        .header("x-loc", "http://o/n")
        .body("abc");
    let exchange = host.request(plugin, request);
    let seen = calls(&exchange);
    let bodies: Vec<_> = seen
        .iter()
        .filter(|call| call.starts_with("request_body"))
        .collect();
    assert_eq!(
        bodies,
        [
            "request_body(2, 3, 0)",
            "request_body(2, 0, 1)",
            "request_body(3, 3, 1)"
        ]
    );
    assert_eq!(exchange.upstream.expect("sent").body, b"abc");
}

#[test]
fn what_comes_while_a_filter_has_stopped_everything_comes_to_it_in_one_piece() {
    let builder = builder().cluster("up", |_| {
        CalloutReply::new(200).after(Duration::from_millis(600))
    });
    let (mut host, plugin) = started(builder, "Adccc");
    let stream = host.open(plugin, Request::post("/").chunk("abc").unfinished());
    host.send_body(stream, "def", false);
    host.send_body(stream, "", true);
    host.advance(Duration::from_secs(1));
    let seen = calls(&host.finish(stream));
    let bodies: Vec<_> = seen
        .iter()
        .filter(|call| call.starts_with("request_body"))
        .collect();
    assert_eq!(bodies, ["request_body(2, 6, 1)"]);
}
