import { ApiError } from "../errors.ts";

/**
 * Refuses requests that name a host this server does not go by.
 *
 * A page of an attacker can let its own domain name resolve to 127.0.0.1 (DNS rebinding); the browser then takes this
 * server for the page's own origin, but still sends the attacker's name. Such an attack needs a name, so addresses are
 * always allowed, as are localhost and its subdomains, which resolvers keep on this machine (RFC 6761 section 6.3).
 * @param url   of the request; its host is what the client sent
 * @param names further host names without port
 * @throws ApiError 403
 */
export function checkHost(url: string, names: readonly string[]): void {
  const { hostname } = new URL(url);
  const host = hostname.toLowerCase().replace(/\.$/, "");
  if (host === "localhost" || host.endsWith(".localhost")) return;
  // A URL holds IPv4 addresses in dotted form, whatever was written, and IPv6 addresses in brackets.
  if (/^\d+\.\d+\.\d+\.\d+$/.test(host) || host.startsWith("[")) return;
  if (names.some((name) => name.toLowerCase() === host)) return;
  throw new ApiError(
    403,
    `the host name ${JSON.stringify(host.slice(0, 253))} is not allowed here: use an address or localhost, or start the server with --allowed-host and this name`,
    { code: "host_not_allowed" },
  );
}
