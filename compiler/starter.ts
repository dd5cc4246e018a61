// The configuration that `zproxy init` writes: it compiles as it is, runs as soon as there is a
// folder "public", and says what to change.

export const STARTER = `#:schema ./config.schema.json
# Check it with "zproxy check", ask it with "zproxy explain GET http://localhost/", and run it with
# "zproxy run". Every key is explained by the schema, and by schema/REFERENCE.md.

[server]
listen = "127.0.0.1:8080"
# threads = 0 # one for each CPU

# A group of servers. Routes refer to it by its name.
[upstreams.api]
servers = ["http://127.0.0.1:9000"]
# algorithm = "least_conn" # or "round_robin", "ip_hash"

# Files below ./public, for every host. The longest prefix wins, so this takes what no other does.
[path_routes."*"."/"]
type = "File"
path = "public"

# /api/users is asked of http://127.0.0.1:9000/users.
[path_routes."*"."/api/"]
type = "Proxy"
upstream = "api"

# Limits of this route alone.
[path_routes."*"."/api/".security]
allowed_methods = ["GET", "HEAD", "POST"]
max_request_body_size = 1048576
max_chunked_body_size = 1048576

# What must become of a request; "zproxy test" holds the configuration against it.
[[tests]]
request = "GET http://localhost/api/users"
expect = { url = "http://127.0.0.1:9000/users" }

[[tests]]
request = "DELETE http://localhost/api/users"
expect = { status = 405 }
`;
