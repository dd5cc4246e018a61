// What the bundler knows about a configuration, as constants that fold the code of unused features
// away. Whoever bundles the data path defines them; tests define all of them as true.

/** Some route passes requests on. */
declare const PROXY_ROUTES: boolean;

/** Requests are told to the log or to the metrics. */
declare const OBSERVED: boolean;

/** Clients or servers are spoken to with TLS. */
declare const TLS: boolean;

/** Some route serves files. */
declare const FILE_ROUTES: boolean;

/** Some route limits how often a client may come. */
declare const RATE_LIMITS: boolean;
