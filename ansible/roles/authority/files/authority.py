"""The lab's certificate authority; prints `changed` or `same`, never a key.

Usage: authority.py make <folder> <organisation>
       authority.py issue <folder> <organisation> <unit> <name> <days> [<address>...]

`make` makes the authority where there is none: `ca.pem` and `ca.key`. `issue` certifies a service or, without
addresses, a client: `<unit>-<name>.pem` and `.key` (PKCS#8), anew when the old one ends within `RENEWAL`, names other
addresses or is of another authority. The folder and the keys in it can be read by their owner only.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import sys
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: How long the authority is good, and how long before its end a certificate is issued anew.
AUTHORITY, RENEWAL = datetime.timedelta(days=3650), datetime.timedelta(days=30)
#: Clocks of nodes may be behind.
SKEW = datetime.timedelta(hours=1)
BITS = 3072


def main(verb: str, folder: str, organisation: str, *words: str) -> None:
    """Do what the verb says."""
    place = Path(folder)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if verb == "make":
        changed = make(place, organisation)
    else:
        unit, name, days, *addresses = words
        changed = issue(place, subject(organisation, unit, name), f"{unit}-{name}", int(days), addresses)
    sys.stdout.write("changed\n" if changed else "same\n")


def make(folder: Path, organisation: str) -> bool:
    """Make the authority where there is none; tells whether there was none."""
    if (folder / "ca.pem").exists() and (folder / "ca.key").exists():
        return False
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    name = subject(organisation, "authority", organisation)
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        begun(name, name, key.public_key(), AUTHORITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write(folder / "ca", key, certificate)
    return True


def issue(folder: Path, name: x509.Name, file: str, days: int, addresses: list[str]) -> bool:
    """Certify a service, or a client; tells whether a certificate was issued."""
    authority = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    names = x509.SubjectAlternativeName([general(address) for address in addresses]) if addresses else None
    if is_good(folder / f"{file}.pem", authority, name, names) and (folder / f"{file}.key").exists():
        return False
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    # Nodes of a cluster are clients of each other.
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if addresses else [])]
    builder = (
        begun(name, authority.subject, key.public_key(), datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),  # type: ignore[arg-type]
            critical=False,
        )
    )
    if names:
        builder = builder.add_extension(names, critical=False)
    signer = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
    if not isinstance(signer, rsa.RSAPrivateKey):
        raise ValueError(f"{folder / 'ca.key'} is no key of this program")
    write(folder / file, key, builder.sign(signer, hashes.SHA256()))
    return True


def is_good(
    path: Path, authority: x509.Certificate, name: x509.Name, names: x509.SubjectAlternativeName | None
) -> bool:
    """Whether a certificate is there, of this authority, for these names and not about to end."""
    if not path.exists():
        return False
    found = x509.load_pem_x509_certificate(path.read_bytes())
    try:
        found.verify_directly_issued_by(authority)
        named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        named = None
    except (InvalidSignature, ValueError):
        return False
    return found.subject == name and named == names and found.not_valid_after_utc - RENEWAL > now()


def begun(
    name: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, length: datetime.timedelta
) -> x509.CertificateBuilder:
    """A certificate without its extensions."""
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - SKEW)
        .not_valid_after(now() + length)
    )


def subject(organisation: str, unit: str, name: str) -> x509.Name:
    """Name that reads CN=<name>,OU=<unit>,O=<organisation>."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def general(address: str) -> x509.GeneralName:
    """An address as certificates name it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def now() -> datetime.datetime:
    """The time, in UTC."""
    return datetime.datetime.now(datetime.UTC)


def write(path: Path, key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> None:
    """Write a key and its certificate: the key first, so that one without the other is made anew."""
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for file, content in (
        (path.with_name(f"{path.name}.key"), private),
        (path.with_name(f"{path.name}.pem"), certificate.public_bytes(serialization.Encoding.PEM)),
    ):
        draft = file.with_name(f"{file.name}.new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
            opened.write(content)
        draft.replace(file)


main(*sys.argv[1:])
