use std::{
    convert::Infallible,
    future::Future,
    mem,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use consign_core::{
    Actor, Consign, ErrorKind,
    policy::{self, Action},
};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    BoxError, PublicUrl,
    body::Body,
    json,
    observe::{self, Meters, RequestId},
    openapi::{Bounds, Described},
    problem::{Failure, Problem},
    rates::{Limits, Rates},
    rendered::Rendered,
    request::RequestBody,
    route::{Endpoint, Route, Segments},
    site::{Served, Site},
};

const INDEX: &str = include_str!("index.html");

/// Nothing here is for search engines: a link that one has found is a link that leaked (RFC 9309).
const ROBOTS: &str = "User-agent: *\nDisallow: /\n";

/// The HTTP API, as a function from requests to answers. Cheap to clone.
///
/// It is also a [`tower_service::Service`] that is always ready and never fails.
#[derive(Clone, Debug)]
pub struct Api(Arc<Inner>);

#[derive(Clone, Debug)]
pub(crate) struct Inner {
    pub(crate) consign: Consign,
    pub(crate) public_url: PublicUrl,
    /// How often things may be asked for, where that is limited.
    pub(crate) limits: Limits,
    pub(crate) rendered: Arc<Rendered>,
    meters: Arc<Meters>,
    pub(crate) site: Option<Arc<Served>>,
    index: bool,
    docs: bool,
    described: Arc<OnceLock<Described>>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(pattern = "^ok$")]
    status: &'static str,
}

impl Api {
    /// The API over a service, for callers who reach it at `public_url`. Its figures go to the recorder
    /// that the `metrics` crate has by then.
    pub fn new(consign: Consign, public_url: PublicUrl) -> Self {
        Self(Arc::new(Inner {
            consign,
            public_url,
            limits: Limits::default(),
            rendered: Arc::default(),
            meters: Arc::new(Meters::new()),
            site: None,
            index: true,
            docs: true,
            described: Arc::default(),
        }))
    }

    /// The API with limits on how often logins, registrations and downloads are asked for, which
    /// has none at first. Clones share one count; services that [share limits](Consign::shares_limits) do so of
    /// everything but downloads. Addresses are limited where the front end tells them: see
    /// [`ClientAddress`](crate::ClientAddress).
    #[must_use]
    pub fn with_rates(self, rates: Rates) -> Self {
        let limits = Limits::new(rates, &self.0.consign);
        self.changed(|inner| inner.limits = limits)
    }

    /// As [`with_rates`](Self::with_rates), on a time of the caller's, counted from any beginning; what services
    /// share goes by their clocks.
    #[must_use]
    pub fn with_rates_at(
        self,
        rates: Rates,
        ticks: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        let limits = Limits::with_ticks(rates, &self.0.consign, Arc::new(ticks));
        self.changed(|inner| inner.limits = limits)
    }

    /// The API with pages for people: at `/` the site's in the place of one that says what this is, and
    /// its assets at [`SITE_ROUTES`](crate::SITE_ROUTES); those of managed links in its style.
    #[must_use]
    pub fn with_site(self, site: Site) -> Self {
        let Inner {
            consign,
            public_url,
            ..
        } = &*self.0;
        let accepts = consign.accepted_types();
        let served = Served::new(site, public_url, consign.settings(), &accepts);
        self.changed(|inner| inner.site = Some(Arc::new(served)))
    }

    /// The API without its pages at `/` and `/robots.txt`, for a host application that has its own.
    #[must_use]
    pub fn without_index(self) -> Self {
        self.changed(|inner| inner.index = false)
    }

    /// The API without its description at `/openapi.json` and `/docs`, for a host application that has
    /// pages of its own there. [`description`](Self::description) is there all the same.
    #[must_use]
    pub fn without_docs(self) -> Self {
        self.changed(|inner| inner.docs = false)
    }

    /// What the API is: an OpenAPI 3.1 document, in JSON.
    pub fn description(&self) -> Bytes {
        self.described().text()
    }

    fn changed(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        let inner = Arc::make_mut(&mut self.0);
        inner.described = Arc::default();
        change(inner);
        self
    }

    /// Whether the API answers at this path of a request (percent-encoded, without the prefix it is
    /// mounted under). A front end lets other paths fall through before it touches the body.
    pub fn answers(&self, path: &str) -> bool {
        self.route(path).is_some()
    }

    /// Answers a request.
    ///
    /// Never fails and never panics: what goes wrong is a problem document (RFC 9457).
    pub async fn handle<B>(&self, mut request: Request<B>) -> Response<Body>
    where
        B: http_body::Body + Send + 'static,
        B::Data: Buf,
        B::Error: Into<BoxError>,
    {
        let uri = mem::take(request.uri_mut());
        self.handle_at(uri.path(), uri.query(), request).await
    }

    /// As [`handle`](Self::handle), for a front end that has taken the request's target apart: its
    /// `path`, percent-encoded and without the prefix that the API is mounted under, and its `query`.
    /// That of the request itself means nothing.
    pub async fn handle_at<B>(
        &self,
        path: &str,
        query: Option<&str>,
        request: Request<B>,
    ) -> Response<Body>
    where
        B: http_body::Body + Send + 'static,
        B::Data: Buf,
        B::Error: Into<BoxError>,
    {
        let started = Instant::now();
        let running = self.0.meters.begin();
        let (id, route) = (RequestId::new(), self.route(path));
        let span = id.span();
        let (head, body) = request.into_parts();
        let mut body = RequestBody::new(body, &head.headers, &self.0.meters);
        let answer = async {
            let answer = self.answer(route, query.unwrap_or_default(), &head, &mut body);
            let mut response = self.answered(answer).await;
            id.mark(response.headers_mut());
            if head.method == Method::HEAD {
                *response.body_mut() = Body::empty();
            }
            log(&head.method, route, &response, started.elapsed());
            response
        };
        let mut response = observe::within(id, span.clone(), answer).await;
        body.drain();
        let route = route.map(|(route, _)| route);
        let meters = &self.0.meters;
        meters.answered(route, &head.method, response.status(), started.elapsed());
        response.body_mut().observe(meters.sent(running), span);
        response
    }

    /// The answer, whatever goes wrong.
    async fn answered(
        &self,
        answer: impl Future<Output = Result<Response<Body>, Failure>>,
    ) -> Response<Body> {
        let failure = match AssertUnwindSafe(answer).catch_unwind().await {
            Ok(Ok(response)) => return response,
            Ok(Err(failure)) => failure,
            Err(_) => {
                tracing::error!("a handler panicked");
                ErrorKind::Internal.into()
            }
        };
        failure
            .into_problem(&self.0.consign.accepted_types())
            .into_response()
    }

    fn route<'p>(&self, path: &'p str) -> Option<(&'static Route, Segments<'p>)> {
        let found = Route::of(path)?;
        let is_there = match found.0.endpoint {
            Endpoint::Index | Endpoint::Robots => self.0.index,
            Endpoint::Asset => self.0.site.is_some(),
            Endpoint::Description | Endpoint::Docs => self.0.docs,
            _ => true,
        };
        is_there.then_some(found)
    }

    /// Put together when it is asked for first.
    fn described(&self) -> &Described {
        let Inner {
            consign,
            public_url,
            described,
            ..
        } = &*self.0;
        described.get_or_init(|| {
            let bounds = Bounds {
                settings: consign.settings(),
                accepted_types: consign.accepted_types(),
                public_url,
            };
            Described::new(&bounds, |path| self.answers(path))
        })
    }

    async fn answer(
        &self,
        route: Option<(&'static Route, Segments<'_>)>,
        query: &str,
        head: &request::Parts,
        body: &mut RequestBody,
    ) -> Result<Response<Body>, Failure> {
        let Some((route, [segment, member])) = route else {
            return Err(Problem::new(StatusCode::NOT_FOUND, "Not found").into());
        };
        if !route.methods.contains(&head.method) {
            let allow = HeaderValue::from_str(&route.allow()).expect("methods are header values");
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
            return Err(problem.with_header(header::ALLOW, allow).into());
        }
        let api = &*self.0;
        match route.endpoint {
            Endpoint::Index => Ok(match &api.site {
                Some(site) => site.page(&head.headers, query),
                None => fixed("text/html; charset=utf-8", INDEX),
            }),
            Endpoint::Asset => {
                let site = api.site.as_ref();
                let asset = site.and_then(|site| site.asset(&head.headers, segment, member));
                asset.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "Not found").into())
            }
            Endpoint::Robots => Ok(fixed("text/plain; charset=utf-8", ROBOTS)),
            Endpoint::Description => Ok(self.described().document(&head.headers)),
            Endpoint::Docs => Ok(self.described().page(&head.headers)),
            Endpoint::Health => api.health().await,
            // The state of these is large, and would be moved with each of the others.
            Endpoint::Register => Box::pin(api.register(head, body)).await,
            Endpoint::Login => Box::pin(api.login(head, body)).await,
            Endpoint::Session => Box::pin(api.session(head, query)).await,
            Endpoint::Password => Box::pin(api.password(head, body)).await,
            Endpoint::Upload => Box::pin(api.upload(head, query, body)).await,
            Endpoint::File => Box::pin(api.file(head, segment, body)).await,
            Endpoint::RemovedFile => Box::pin(api.removed_file(head, segment)).await,
            Endpoint::Groups => Box::pin(api.groups(head, query, body)).await,
            Endpoint::Group => Box::pin(api.group(head, segment, body)).await,
            Endpoint::Members => Box::pin(api.members(head, segment, query, body)).await,
            Endpoint::Member => Box::pin(api.remove_member(head, segment, member)).await,
            Endpoint::ManagedLinks => Box::pin(api.links(head, query, body)).await,
            Endpoint::ManagedLink => Box::pin(api.managed_link(head, segment, body)).await,
            Endpoint::OpenLink => Box::pin(api.open_link(head, segment, query, body)).await,
            Endpoint::FileDownloads => Box::pin(api.file_downloads(head, segment, query)).await,
            Endpoint::LinkDownloads => Box::pin(api.link_downloads(head, segment, query)).await,
            Endpoint::Receipt => Box::pin(api.receipt(head, segment)).await,
            Endpoint::Audit => Box::pin(api.audit(head, query)).await,
            Endpoint::EvidenceKey => api.evidence_key(),
            Endpoint::Files => api.files(head, query).await,
            Endpoint::RemovedFiles => api.removed_files(head, query).await,
            Endpoint::Link => api.link(head, segment).await,
            Endpoint::Download => api.download(head, segment, query).await,
        }
    }
}

impl Inner {
    /// Who asks.
    pub(crate) async fn actor(&self, headers: &HeaderMap) -> Result<Actor, Failure> {
        let actor = self.consign.authenticate(bearer(headers)?).await?;
        observe::signed_in(actor.user().id);
        Ok(actor)
    }

    /// Who asks, if they may do this at all.
    pub(crate) async fn permitted(
        &self,
        headers: &HeaderMap,
        action: Action,
    ) -> Result<Actor, Failure> {
        let actor = self.actor(headers).await?;
        match policy::allows(actor.user(), action) {
            true => Ok(actor),
            false => Err(ErrorKind::Forbidden(action).into()),
        }
    }

    async fn health(&self) -> Result<Response<Body>, Failure> {
        // Whatever is wrong with a store, it does not answer as it should.
        if let Err(error) = self.consign.check().await {
            return Err(consign_core::Error::new(ErrorKind::Unavailable, error).into());
        }
        Ok(json::response(StatusCode::OK, &Health { status: "ok" }))
    }
}

impl<B> tower_service::Service<Request<B>> for Api
where
    B: http_body::Body + Send + 'static,
    B::Data: Buf,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let api = self.clone();
        Box::pin(async move { Ok(api.handle(request).await) })
    }
}

/// The token that a request brings (RFC 6750, section 2.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Failure> {
    let missing = || Problem::unauthorized("Missing Authorization Header");
    let value = headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(Problem::unauthorized("token must be a Bearer token").into());
    }
    Ok(token.trim())
}

/// The line of a request. Of its target the pattern, never the path or the query: a secret can be in them.
/// Of a user the id, which is in the trail too; a name may be an address.
fn log(
    method: &Method,
    route: Option<(&Route, Segments<'_>)>,
    response: &Response<Body>,
    elapsed: Duration,
) {
    // An extension method can be as long as a client likes.
    let method = method.as_str();
    tracing::info!(
        method = method.get(..16).unwrap_or(method),
        route = route.map_or(observe::NO_ROUTE, |(route, _)| route.path),
        status = response.status().as_u16(),
        micros = elapsed.as_micros() as u64,
        bytes = response.body().len(),
        user = observe::user().map(tracing::field::display),
        "request"
    );
}

/// A page that never changes.
fn fixed(content_type: &'static str, page: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::full(page));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_LENGTH, page.len().into());
    response
}
