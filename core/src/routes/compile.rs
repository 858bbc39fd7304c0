//! From what a policy says to a [`RouteTable`], and every fault on the way.

use super::RouteTable;
use super::fault::{Place, RouteFault, RouteRule};
use super::methods::{HttpNames, MethodIndexBuilder};
use super::pattern::{Pattern, literal_path};
use super::public::{Protected, PublicIndexBuilder, Route};
use super::services::ServiceIndexBuilder;
use crate::canonical::{CanonicalPath, HttpMethod, is_token, validate_host};
use crate::order;
use crate::places::Places;
use crate::policy::document::{Method, PublicRoute, Service};

/// The table of all that is in order, and what is not.
pub(super) fn compile(
    services: &[&Service],
    public: &[&PublicRoute],
) -> (RouteTable, Vec<RouteFault>) {
    let names = services
        .iter()
        .flat_map(|service| &service.methods)
        .flat_map(|method| &method.http)
        .chain(public.iter().flat_map(|route| &route.http));
    let mut lists = Lists {
        http: HttpNames::new(names.map(String::as_str)),
        faults: Vec::new(),
    };
    let public: Vec<_> = public
        .iter()
        .enumerate()
        .filter_map(|(index, route)| lists.public(index, route))
        .collect();
    let mut compiler = Compiler {
        lists,
        services: ServiceIndexBuilder::default(),
        methods: MethodIndexBuilder::default(),
        protected: Protected::new(&public),
    };
    let mut seen = Places::default();
    for (index, service) in services.iter().enumerate() {
        let first = seen.get_or_insert(service.name.as_bytes(), index);
        let places = (Place::Service(first), Place::Service(index));
        compiler.lists.name(places);
        compiler.service(index, service);
    }
    let Compiler {
        mut lists,
        services,
        methods,
        protected,
    } = compiler;
    let mut index = PublicIndexBuilder::default();
    for route in &public {
        lists.faults.extend(protected.check(route));
        lists.faults.extend(index.add(route));
    }
    let table = RouteTable {
        http: lists.http,
        services: services.finish(),
        methods: methods.finish(),
        public: index.finish(),
    };
    (table, lists.faults)
}

struct Compiler<'a> {
    lists: Lists,
    services: ServiceIndexBuilder<'a>,
    methods: MethodIndexBuilder,
    protected: Protected,
}

impl<'a> Compiler<'a> {
    fn service(&mut self, index: usize, service: &'a Service) {
        let place = Place::Service(index);
        let mut hosts = self.lists.hosts(place, &service.hosts);
        if service.hosts.is_empty() {
            self.lists.add(place, ".hosts", RouteRule::NoHosts);
        }
        let base = literal_path(&service.base_path).unwrap_or_else(|rule| {
            self.lists.add(place, ".base_path", rule);
            hosts.clear();
            ""
        });
        let fault = self.services.add(hosts.iter().copied(), base, service.case);
        self.lists.faults.extend(fault);
        self.methods.add_service(service.case);
        let mut seen = Places::default();
        for (number, method) in service.methods.iter().enumerate() {
            let place = Place::Method(index, number);
            let first = seen.get_or_insert(method.name.as_bytes(), number);
            self.lists.name((Place::Method(index, first), place));
            self.method(place, number, method, base, &hosts);
        }
    }

    fn method(
        &mut self,
        place: Place,
        number: usize,
        method: &'a Method,
        base: &str,
        hosts: &[&'a str],
    ) {
        let http = self.lists.http_methods(place, &method.http);
        self.lists.upgrades(place, &method.upgrade);
        let pattern = match below(base, &method.path) {
            Ok(pattern) => pattern,
            Err(rule) => return self.lists.add(place, ".path", rule),
        };
        let routes = http.iter().copied();
        let fault = self.methods.add_method(number, &pattern.segments, routes);
        self.lists.faults.extend(fault);
        if self.protected.concerns()
            && let Some(below) = pattern.literal()
        {
            let path = format!("{base}{below}");
            let path = if path.is_empty() { "/" } else { &path };
            self.protected.add(place, path, hosts, &http);
        }
    }
}

/// The pattern `text`, if a request could have a path that it matches below `base`.
fn below<'a>(base: &str, text: &'a str) -> Result<Pattern<'a>, RouteRule> {
    let pattern = Pattern::parse(text)?;
    if base.len() + pattern.len > CanonicalPath::MAX_BYTES {
        return Err(RouteRule::TooLong);
    }
    if base.matches('/').count() + pattern.segments.len() > CanonicalPath::MAX_SEGMENTS {
        return Err(RouteRule::TooManySegments);
    }
    Ok(pattern)
}

/// Checks members that are lists or names, and keeps the faults.
struct Lists {
    http: HttpNames,
    faults: Vec<RouteFault>,
}

impl Lists {
    fn add(&mut self, place: Place, member: &str, rule: impl Into<RouteRule>) {
        self.faults
            .push(RouteFault::new(format!("{place}{member}"), rule));
    }

    /// Notes a name that stands at a first place already.
    fn name(&mut self, (first, place): (Place, Place)) {
        if first != place {
            let first = first.to_string();
            self.add(place, ".name", RouteRule::DuplicateName { first });
        }
    }

    /// The hosts that are in order.
    fn hosts<'a>(&mut self, place: Place, hosts: &'a [String]) -> Vec<&'a str> {
        let mut good = Vec::new();
        for (index, host) in hosts.iter().enumerate() {
            let fault = match validate_host(host) {
                Err(fault) => RouteRule::Host(fault),
                Ok(()) if order::insert(&mut good, host.as_str()) => continue,
                Ok(()) => RouteRule::DuplicateHost,
            };
            self.add(place, &format!(".hosts[{index}]"), fault);
        }
        good
    }

    /// The HTTP methods that are in order, by their place in the names.
    fn http_methods<'a>(&mut self, place: Place, http: &'a [String]) -> Vec<(usize, &'a str)> {
        if http.is_empty() {
            self.add(place, ".http", RouteRule::NoHttpMethod);
        }
        let mut good = Vec::new();
        for (index, name) in http.iter().enumerate() {
            let fault = match (HttpMethod::parse(name.as_bytes()), self.http.find(name)) {
                (Err(fault), _) => RouteRule::HttpMethod(fault),
                (Ok(_), _) if name == "CONNECT" => RouteRule::Connect,
                (Ok(_), Some(id)) if order::insert(&mut good, (id, name.as_str())) => continue,
                (Ok(_), _) => RouteRule::DuplicateHttpMethod,
            };
            self.add(place, &format!(".http[{index}]"), fault);
        }
        good
    }

    fn upgrades(&mut self, place: Place, upgrades: &[String]) {
        let mut seen = Vec::new();
        for (index, name) in upgrades.iter().enumerate() {
            let fault = if !is_token(name) || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                RouteRule::Upgrade
            } else if order::insert(&mut seen, name.as_str()) {
                continue;
            } else {
                RouteRule::DuplicateUpgrade
            };
            self.add(place, &format!(".upgrade[{index}]"), fault);
        }
    }

    /// The route, unless its path is none. A host or HTTP method that is out of order is only left out, since its fault
    /// refuses the policy; a list that loses all its hosts must not turn into every host.
    fn public<'a>(&mut self, index: usize, route: &'a PublicRoute) -> Option<Route<'a>> {
        let place = Place::Public(index);
        let http = self.http_methods(place, &route.http);
        let hosts = self.hosts(place, &route.hosts);
        let path = match literal_path(&route.path) {
            Ok("") => "/",
            Ok(path) => path,
            Err(rule) => {
                self.add(place, ".path", rule);
                return None;
            }
        };
        (route.hosts.is_empty() || !hosts.is_empty()).then_some(Route {
            route: index,
            path,
            hosts,
            http,
        })
    }
}
