/** What becomes of a request: it goes on to the upstream, the gateway answers it well itself, or refuses it. */
export type DecisionKind = "allowed" | "answered" | "refused";

/** A plugin configuration or a policy: the JSON object, or its text. A text is read as a gateway reads it, so that a
 * member that stands there twice is told. */
export type Json = string | object;

/** An instant: `YYYY-MM-DDThh:mm:ssZ`, or milliseconds since 1970 as `Date.now()` tells them. */
export type Instant = string | number;

/** A request as it reaches the gateway. Nothing of it is tidied up. */
export interface Request {
  method: string;
  /** `Host` or `:authority`. */
  authority: string;
  /** Path and query, byte for byte. */
  path: string;
  /** Names and values, in order. */
  headers?: [string, string][];
  /** A form for the OAuth exchange. Absent: the request has no body. */
  body?: string;
}

export interface DecideArguments {
  /** A plugin configuration with an inline policy. */
  configuration: Json;
  /** The value of the root keys' environment variable. */
  rootKeys?: string;
  /** Instead of `rootKeys`: keys that are made for this decision and forgotten. Access tokens that a real gateway signed
   * count as forged then; API tokens are known by their hashes as ever. */
  throwaway?: boolean;
  request: Request;
  now: Instant;
}

/** An answer of the gateway itself. */
export interface Answer {
  status: number;
  headers: [string, string][];
  body: string;
  /** The gRPC status, where the caller speaks gRPC. */
  grpcStatus?: number;
}

export interface Decision {
  decision: DecisionKind;
  /** The status of the gateway's own answer. Absent: the upstream answers. */
  status?: number;
  /** The reason's word, as in logs and metrics. */
  reason: string;
  /** What the reason means. */
  sentence: string;
  /** Whether the configuration is in shadow mode, so that the request went on whatever the reason says. */
  shadow: boolean;
  /** The decision's id. */
  id: string;
  /** The service's name, where the request names one of its methods. */
  service?: string;
  /** The method's name. */
  method?: string;
  /** The id of the person, where the token was found. */
  person?: string;
  /** The id of the API token, where it was found. */
  token?: string;
  /** Headers that the gateway sets for the upstream. */
  headersSet: [string, string][];
  /** Names of the request's headers that the upstream does not get. */
  headersRemoved: string[];
  answer?: Answer;
}

export interface ExplainArguments {
  /** A plugin configuration, with an inline policy unless `policy` is there. Absent: a gateway that answers for all hosts of
   * the policy, with the defaults of everything else. */
  configuration?: Json;
  /** A policy. It takes the place of the configuration's. */
  policy?: Json;
  /** Who calls, by the id of an API token of the policy: with an access token made from it, or with the API token itself.
   * Both are made for this explanation. Absent: whoever the request's headers say. */
  caller?: { accessTokenOf: string } | { apiTokenOf: string };
  request: Request;
  now: Instant;
}

export interface Person {
  id: string;
  roles: string[];
  active: boolean;
}

export interface Role {
  name: string;
  /** Those who have it. */
  persons: Person[];
}

/** An audience that must admit the caller. */
export interface Audience {
  /** Its path in the policy. */
  path: string;
  mode: "unrestricted" | "restricted";
  persons: Person[];
  roles: Role[];
  /** The role whose persons are exempt from it. */
  exempt?: Role;
  /** Whether it binds the persons of the policy's bypass role too. */
  enforce: boolean;
  /** Whether it admits the caller, if the caller is known. */
  admits?: boolean;
}

export interface Explanation extends Decision {
  /** The instant for which this holds. */
  at: string;
  /** For a caller with an access token: how it would get one now. */
  exchange?: { reason: string; status: number };
  /** The paths of the API token and its person in the policy. */
  caller?: { token: string; person: Person };
  /** The method that the request is for, by its place in the policy. */
  rule?: { path: string; http: string[]; pattern: string };
  /** The audiences that must admit the caller: the method's own or its service's, or both. */
  audiences: Audience[];
  /** For a refusal: what would have to change. */
  advice: string[];
}

/** What is wrong with a configuration or a policy, as `decide` and `explain` throw it. */
export interface ConfigurationError extends Error {
  faults: { path: string; message: string }[];
}

/** A time in a JWT. */
export interface TokenTime {
  claim: "iat" | "nbf" | "exp";
  at: string;
  /** Only with `now`: whether it is over, which for `exp` is the token's end. */
  past?: boolean;
}

/** What a text looks like. Nothing of it is verified: whoever can write a text can write any of this. */
export type TokenView = {
  /** Always false. */
  verified: false;
  sentence: string;
  /** Its length in bytes, without what was left out. */
  length: number;
  /** What stood around the token and was left out: white space, `Bearer`, or the header's name. */
  leftOut: boolean;
} & (
  | { kind: "empty" | "gateway_credential" | "operator_credential" | "token_hash" | "root_key" }
  | { kind: "api_token"; wellFormed: boolean; wellKnown: boolean; fault?: string }
  | {
      kind: "jwt";
      /** By the header's `typ`. */
      use: "access_token" | "service_token" | "other";
      header: Record<string, unknown>;
      claims: Record<string, unknown>;
      /** Whether the signature is empty. */
      unsigned: boolean;
      times: TokenTime[];
    }
  | { kind: "other"; usable: boolean; fault?: string }
);

export interface TokenHash {
  /** `sha256:` and 64 digits, as a policy's `tokens[].hash` wants it. */
  hash: string;
  /** Whether it is a token of this system, or of another one. */
  kind: "api_token" | "foreign";
  /** For a foreign token: what a hash does not protect from. */
  warnings: string[];
}
