using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker", esModule = embed "../../.built/worker.js")],
      compatibilityDate = "2024-01-01", # fetch of this date has no option cache
      globalOutbound = "network",
    )),
    (name = "network", network = (allow = ["local"])),
  ],
  sockets = [(name = "http", http = (), service = "main")],
);
