"""A self-signed certificate for a service that speaks TLS, made once and kept.

Whoever connects names the certificate itself as the one that is trusted (``root-certificates`` in Flower's
``config.toml``), so that no authority is needed. The key never leaves the directory.
"""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from syft_flwr_cli.storage.paths import write_private

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["make_certificate"]

LASTS = timedelta(days=825)


def make_certificate(directory: Path, names: Sequence[str]) -> tuple[Path, Path]:
    """The certificate and the key (PEM) for a service that is reached by these names and addresses.

    What an earlier call made is kept as long as it is valid for a month and has the same names.
    """
    from cryptography import x509

    certificate, key = directory / "tls-certificate.pem", directory / "tls-key.pem"
    wanted = x509.SubjectAlternativeName([_general_name(name) for name in dict.fromkeys(names)])
    if certificate.exists() and key.exists():
        known = x509.load_pem_x509_certificate(certificate.read_bytes())
        alternatives = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if alternatives == wanted and known.not_valid_after_utc > datetime.now(UTC) + timedelta(days=30):
            return certificate, key
    made, private = _self_signed(wanted)
    # The key first: a certificate without its key would be kept and could not be used.
    certificate.unlink(missing_ok=True)
    write_private(key, private)
    write_private(certificate, made)
    return certificate, key


def _self_signed(names: "x509.SubjectAlternativeName") -> tuple[bytes, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "syft-flwr serve")])
    now = datetime.now(UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LASTS)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    return (
        made.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def _general_name(name: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
