//! Broker keys of authorization, delegation tokens, SASL and TLS.

use super::super::key::{
    Importance::{High, Low, Medium},
    KeyDef,
    Kind::{Bool, Class, Double, Int, List, Long, Password, Short, Text},
    key, unset,
};

#[rustfmt::skip]
pub(super) const KEYS: &[KeyDef] = &[
    key("authorizer.class.name", Text, "", Low)
        .later("Class of the authorizer; empty means everybody may do everything."),
    key("delegation.token.expiry.check.interval.ms", Long, "3600000", Low).at_least(1)
        .later("Milliseconds between looks for expired delegation tokens."),
    key("delegation.token.expiry.time.ms", Long, "86400000", Medium).at_least(1)
        .later("Milliseconds a delegation token is valid before it must be renewed."),
    key("delegation.token.max.lifetime.ms", Long, "604800000", Medium).at_least(1)
        .later("Milliseconds after which a delegation token can no longer be renewed."),
    unset("delegation.token.secret.key", Password, Medium)
        .later("Secret that signs delegation tokens; the same on all brokers. Unset turns tokens off."),
    key("principal.builder.class", Class, "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder", Medium).per_broker()
        .no_effect("Java class that derives a principal from a connection"),
    unset("sasl.client.callback.handler.class", Class, Medium)
        .no_effect("Java class that supplies credentials for connections this broker opens"),
    key("sasl.enabled.mechanisms", List, "GSSAPI", Medium).per_broker()
        .later("SASL mechanisms offered to clients."),
    unset("sasl.jaas.config", Password, Medium).per_broker()
        .later("Login modules and credentials of one listener and mechanism, in JAAS syntax."),
    key("sasl.kerberos.kinit.cmd", Text, "/usr/bin/kinit", Medium).per_broker()
        .no_effect("path of the kinit command"),
    key("sasl.kerberos.min.time.before.relogin", Long, "60000", Medium).per_broker()
        .no_effect("milliseconds between two Kerberos logins"),
    key("sasl.kerberos.principal.to.local.rules", List, "DEFAULT", Medium).per_broker()
        .no_effect("rules that shorten Kerberos principals to names"),
    unset("sasl.kerberos.service.name", Text, Medium).per_broker()
        .no_effect("Kerberos service name of the brokers"),
    key("sasl.kerberos.ticket.renew.jitter", Double, "0.05", Medium).per_broker()
        .no_effect("share of random variation of the Kerberos renewal time"),
    key("sasl.kerberos.ticket.renew.window.factor", Double, "0.8", Medium).per_broker()
        .no_effect("share of a Kerberos ticket's life after which it is renewed"),
    unset("sasl.login.callback.handler.class", Class, Medium)
        .no_effect("Java class that runs logins"),
    unset("sasl.login.class", Class, Medium)
        .no_effect("Java class of the login itself"),
    unset("sasl.login.connect.timeout.ms", Int, Low)
        .no_effect("milliseconds to connect to an external identity provider"),
    unset("sasl.login.read.timeout.ms", Int, Low)
        .no_effect("milliseconds to wait for an external identity provider"),
    key("sasl.login.refresh.buffer.seconds", Short, "300", Medium).per_broker()
        .no_effect("seconds before its end within which a credential is not refreshed"),
    key("sasl.login.refresh.min.period.seconds", Short, "60", Medium).per_broker()
        .no_effect("seconds between two refreshes of a credential at least"),
    key("sasl.login.refresh.window.factor", Double, "0.8", Medium).per_broker()
        .no_effect("share of a credential's life after which it is refreshed"),
    key("sasl.login.refresh.window.jitter", Double, "0.05", Medium).per_broker()
        .no_effect("share of random variation of the refresh time"),
    key("sasl.login.retry.backoff.max.ms", Long, "10000", Low)
        .no_effect("milliseconds at most between login attempts"),
    key("sasl.login.retry.backoff.ms", Long, "100", Low)
        .no_effect("milliseconds between login attempts"),
    key("sasl.mechanism.controller.protocol", Text, "GSSAPI", High)
        .no_effect("SASL mechanism towards a remote controller"),
    key("sasl.mechanism.inter.broker.protocol", Text, "GSSAPI", Medium).per_broker()
        .no_effect("SASL mechanism between brokers"),
    key("sasl.oauthbearer.assertion.algorithm", Text, "RS256", Medium).one_of_any_case(&["ES256", "RS256"])
        .no_effect("algorithm that signs a client assertion"),
    unset("sasl.oauthbearer.assertion.claim.aud", Text, Medium)
        .no_effect("audience of a client assertion"),
    key("sasl.oauthbearer.assertion.claim.exp.seconds", Int, "300", Low).between(0, 86_400)
        .no_effect("seconds a client assertion is valid"),
    unset("sasl.oauthbearer.assertion.claim.iss", Text, Medium)
        .no_effect("issuer of a client assertion"),
    key("sasl.oauthbearer.assertion.claim.jti.include", Bool, "false", Medium)
        .no_effect("whether a client assertion carries a unique id"),
    key("sasl.oauthbearer.assertion.claim.nbf.seconds", Int, "60", Low).between(0, 3_600)
        .no_effect("seconds a client assertion is valid before its creation"),
    unset("sasl.oauthbearer.assertion.claim.sub", Text, Medium)
        .no_effect("subject of a client assertion"),
    unset("sasl.oauthbearer.assertion.file", Text, Medium)
        .no_effect("file with a ready client assertion"),
    unset("sasl.oauthbearer.assertion.private.key.file", Text, Medium)
        .no_effect("file with the private key that signs client assertions"),
    unset("sasl.oauthbearer.assertion.private.key.passphrase", Password, Medium)
        .no_effect("passphrase of that key"),
    unset("sasl.oauthbearer.assertion.template.file", Text, Medium)
        .no_effect("file with a template of the client assertion"),
    unset("sasl.oauthbearer.client.credentials.client.id", Text, Medium)
        .no_effect("client id for the OAuth client credentials grant"),
    unset("sasl.oauthbearer.client.credentials.client.secret", Password, Medium)
        .no_effect("client secret for the OAuth client credentials grant"),
    key("sasl.oauthbearer.clock.skew.seconds", Int, "30", Low)
        .later("Seconds by which token times may be off."),
    key("sasl.oauthbearer.expected.audience", List, "", High)
        .later("Audiences of which a token must name one."),
    unset("sasl.oauthbearer.expected.issuer", Text, High)
        .later("Issuer a token must name."),
    key("sasl.oauthbearer.jwks.endpoint.refresh.ms", Long, "3600000", Low)
        .later("Milliseconds between refreshes of the identity provider's keys."),
    key("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Long, "10000", Low)
        .later("Milliseconds at most between attempts to get those keys."),
    key("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Long, "100", Low)
        .later("Milliseconds between attempts to get those keys."),
    unset("sasl.oauthbearer.jwks.endpoint.url", Text, Medium)
        .later("Where the identity provider publishes its keys: an HTTPS URL or a file."),
    key("sasl.oauthbearer.jwt.retriever.class", Class, "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever", Medium)
        .no_effect("Java class that obtains tokens"),
    key("sasl.oauthbearer.jwt.validator.class", Class, "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator", Medium)
        .no_effect("Java class that checks tokens"),
    unset("sasl.oauthbearer.scope", Text, Medium)
        .no_effect("scope asked for when this broker obtains a token"),
    key("sasl.oauthbearer.scope.claim.name", Text, "scope", Low)
        .later("Claim of a token that holds its scopes."),
    key("sasl.oauthbearer.sub.claim.name", Text, "sub", Low)
        .later("Claim of a token that holds the principal's name."),
    unset("sasl.oauthbearer.token.endpoint.url", Text, Medium)
        .no_effect("where this broker obtains a token"),
    unset("sasl.server.callback.handler.class", Class, Medium)
        .no_effect("Java class that checks credentials"),
    key("sasl.server.max.receive.size", Int, "524288", Medium)
        .later("Bytes of one request before its sender has authenticated at most."),
    key("security.inter.broker.protocol", Text, "PLAINTEXT", Medium).one_of(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
        .doc("Security protocol between brokers; used when `inter.broker.listener.name` is not set. Only PLAINTEXT works yet."),
    unset("security.providers", Text, Low)
        .no_effect("Java security providers to load"),
    key("ssl.allow.dn.changes", Bool, "false", Low)
        .no_effect("whether a new certificate may carry another distinguished name"),
    key("ssl.allow.san.changes", Bool, "false", Low)
        .no_effect("whether a new certificate may carry other alternative names"),
    key("ssl.cipher.suites", List, "", Medium).per_broker()
        .later("Cipher suites offered; empty offers the library's own."),
    key("ssl.client.auth", Text, "none", Medium).one_of(&["required", "requested", "none"]).per_broker()
        .later("Whether clients must (`required`), may (`requested`) or need not (`none`) show a certificate."),
    key("ssl.enabled.protocols", List, "TLSv1.2,TLSv1.3", Medium).per_broker()
        .later("TLS versions offered."),
    key("ssl.endpoint.identification.algorithm", Text, "https", Low).per_broker()
        .no_effect("how the name of a broker this one connects to is checked; empty does not check"),
    unset("ssl.engine.factory.class", Class, Low).per_broker()
        .no_effect("Java class that makes TLS engines"),
    unset("ssl.key.password", Password, Medium).per_broker()
        .later("Password of the private key."),
    key("ssl.keymanager.algorithm", Text, "SunX509", Medium).per_broker()
        .no_effect("Java key manager algorithm"),
    unset("ssl.keystore.certificate.chain", Password, Medium).per_broker()
        .later("Certificate chain as PEM text."),
    unset("ssl.keystore.key", Password, Medium).per_broker()
        .later("Private key as PEM text."),
    unset("ssl.keystore.location", Text, Medium).per_broker()
        .later("File with the private key and its certificate chain."),
    unset("ssl.keystore.password", Password, Medium).per_broker()
        .later("Password of the key store file."),
    key("ssl.keystore.type", Text, "JKS", Medium).per_broker()
        .later("Format of the key store file: JKS, PKCS12 or PEM."),
    key("ssl.principal.mapping.rules", Text, "DEFAULT", Low)
        .later("Rules that turn a certificate's distinguished name into a principal."),
    key("ssl.protocol", Text, "TLSv1.3", Medium).per_broker()
        .later("TLS version preferred."),
    unset("ssl.provider", Text, Medium).per_broker()
        .no_effect("Java security provider for TLS"),
    unset("ssl.secure.random.implementation", Text, Low).per_broker()
        .no_effect("Java random source for TLS"),
    key("ssl.trustmanager.algorithm", Text, "PKIX", Medium).per_broker()
        .no_effect("Java trust manager algorithm"),
    unset("ssl.truststore.certificates", Password, Medium).per_broker()
        .later("Trusted certificates as PEM text."),
    unset("ssl.truststore.location", Text, Medium).per_broker()
        .later("File with the trusted certificates."),
    unset("ssl.truststore.password", Password, Medium).per_broker()
        .later("Password of the trust store file."),
    key("ssl.truststore.type", Text, "JKS", Medium).per_broker()
        .later("Format of the trust store file: JKS, PKCS12 or PEM."),
];
