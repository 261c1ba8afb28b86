from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CompareMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXACT: _ClassVar[CompareMode]
    EXACT_OR_LEGACY_ECHO: _ClassVar[CompareMode]
EXACT: CompareMode
EXACT_OR_LEGACY_ECHO: CompareMode

class Scope(_message.Message):
    __slots__ = ("purpose", "instance_id", "vault_id", "github_repository_id", "environment_id")
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    VAULT_ID_FIELD_NUMBER: _ClassVar[int]
    GITHUB_REPOSITORY_ID_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_ID_FIELD_NUMBER: _ClassVar[int]
    purpose: str
    instance_id: bytes
    vault_id: bytes
    github_repository_id: int
    environment_id: bytes
    def __init__(self, purpose: _Optional[str] = ..., instance_id: _Optional[bytes] = ..., vault_id: _Optional[bytes] = ..., github_repository_id: _Optional[int] = ..., environment_id: _Optional[bytes] = ...) -> None: ...

class Manifest(_message.Message):
    __slots__ = ("revision", "mac", "entries_are_items", "keys", "value_ids")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_ARE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    VALUE_IDS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    mac: bytes
    entries_are_items: bool
    keys: _containers.RepeatedScalarFieldContainer[str]
    value_ids: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, revision: _Optional[int] = ..., mac: _Optional[bytes] = ..., entries_are_items: _Optional[bool] = ..., keys: _Optional[_Iterable[str]] = ..., value_ids: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ManifestChange(_message.Message):
    __slots__ = ("base", "next_revision", "removed", "added_keys", "added_value_ids")
    BASE_FIELD_NUMBER: _ClassVar[int]
    NEXT_REVISION_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    ADDED_KEYS_FIELD_NUMBER: _ClassVar[int]
    ADDED_VALUE_IDS_FIELD_NUMBER: _ClassVar[int]
    base: Manifest
    next_revision: int
    removed: _containers.RepeatedScalarFieldContainer[str]
    added_keys: _containers.RepeatedScalarFieldContainer[str]
    added_value_ids: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, base: _Optional[_Union[Manifest, _Mapping]] = ..., next_revision: _Optional[int] = ..., removed: _Optional[_Iterable[str]] = ..., added_keys: _Optional[_Iterable[str]] = ..., added_value_ids: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("value_id", "sealed")
    VALUE_ID_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    value_id: bytes
    sealed: bytes
    def __init__(self, value_id: _Optional[bytes] = ..., sealed: _Optional[bytes] = ...) -> None: ...

class SealItem(_message.Message):
    __slots__ = ("key", "value_id", "plaintext", "candidates")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_ID_FIELD_NUMBER: _ClassVar[int]
    PLAINTEXT_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    key: str
    value_id: bytes
    plaintext: bytes
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    def __init__(self, key: _Optional[str] = ..., value_id: _Optional[bytes] = ..., plaintext: _Optional[bytes] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ...) -> None: ...

class SealRequest(_message.Message):
    __slots__ = ("scope", "items", "compare", "manifest")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    COMPARE_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    scope: Scope
    items: _containers.RepeatedCompositeFieldContainer[SealItem]
    compare: CompareMode
    manifest: ManifestChange
    def __init__(self, scope: _Optional[_Union[Scope, _Mapping]] = ..., items: _Optional[_Iterable[_Union[SealItem, _Mapping]]] = ..., compare: _Optional[_Union[CompareMode, str]] = ..., manifest: _Optional[_Union[ManifestChange, _Mapping]] = ...) -> None: ...

class SealResponse(_message.Message):
    __slots__ = ("sealed", "matched", "manifest", "key_version")
    SEALED_FIELD_NUMBER: _ClassVar[int]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    KEY_VERSION_FIELD_NUMBER: _ClassVar[int]
    sealed: _containers.RepeatedScalarFieldContainer[bytes]
    matched: _containers.RepeatedScalarFieldContainer[int]
    manifest: bytes
    key_version: int
    def __init__(self, sealed: _Optional[_Iterable[bytes]] = ..., matched: _Optional[_Iterable[int]] = ..., manifest: _Optional[bytes] = ..., key_version: _Optional[int] = ...) -> None: ...

class OpenRequest(_message.Message):
    __slots__ = ("scope", "keys", "value_ids", "sealed", "manifest")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    VALUE_IDS_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    scope: Scope
    keys: _containers.RepeatedScalarFieldContainer[str]
    value_ids: _containers.RepeatedScalarFieldContainer[bytes]
    sealed: _containers.RepeatedScalarFieldContainer[bytes]
    manifest: Manifest
    def __init__(self, scope: _Optional[_Union[Scope, _Mapping]] = ..., keys: _Optional[_Iterable[str]] = ..., value_ids: _Optional[_Iterable[bytes]] = ..., sealed: _Optional[_Iterable[bytes]] = ..., manifest: _Optional[_Union[Manifest, _Mapping]] = ...) -> None: ...

class OpenResponse(_message.Message):
    __slots__ = ("plaintexts",)
    PLAINTEXTS_FIELD_NUMBER: _ClassVar[int]
    plaintexts: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, plaintexts: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ResealRequest(_message.Message):
    __slots__ = ("to", "from_keys", "from_value_ids", "sealed", "to_keys", "to_value_ids", "from_manifest", "manifest")
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    FROM_KEYS_FIELD_NUMBER: _ClassVar[int]
    FROM_VALUE_IDS_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    TO_KEYS_FIELD_NUMBER: _ClassVar[int]
    TO_VALUE_IDS_FIELD_NUMBER: _ClassVar[int]
    FROM_MANIFEST_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    to: Scope
    from_keys: _containers.RepeatedScalarFieldContainer[str]
    from_value_ids: _containers.RepeatedScalarFieldContainer[bytes]
    sealed: _containers.RepeatedScalarFieldContainer[bytes]
    to_keys: _containers.RepeatedScalarFieldContainer[str]
    to_value_ids: _containers.RepeatedScalarFieldContainer[bytes]
    from_manifest: Manifest
    manifest: ManifestChange
    def __init__(self, to: _Optional[_Union[Scope, _Mapping]] = ..., from_keys: _Optional[_Iterable[str]] = ..., from_value_ids: _Optional[_Iterable[bytes]] = ..., sealed: _Optional[_Iterable[bytes]] = ..., to_keys: _Optional[_Iterable[str]] = ..., to_value_ids: _Optional[_Iterable[bytes]] = ..., from_manifest: _Optional[_Union[Manifest, _Mapping]] = ..., manifest: _Optional[_Union[ManifestChange, _Mapping]] = ..., **kwargs) -> None: ...

class ResealResponse(_message.Message):
    __slots__ = ("sealed", "manifest", "key_version")
    SEALED_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    KEY_VERSION_FIELD_NUMBER: _ClassVar[int]
    sealed: _containers.RepeatedScalarFieldContainer[bytes]
    manifest: bytes
    key_version: int
    def __init__(self, sealed: _Optional[_Iterable[bytes]] = ..., manifest: _Optional[bytes] = ..., key_version: _Optional[int] = ...) -> None: ...

class DigestRequest(_message.Message):
    __slots__ = ("environments", "give_key")
    ENVIRONMENTS_FIELD_NUMBER: _ClassVar[int]
    GIVE_KEY_FIELD_NUMBER: _ClassVar[int]
    environments: _containers.RepeatedCompositeFieldContainer[OpenRequest]
    give_key: bool
    def __init__(self, environments: _Optional[_Iterable[_Union[OpenRequest, _Mapping]]] = ..., give_key: _Optional[bool] = ...) -> None: ...

class DigestResponse(_message.Message):
    __slots__ = ("digests", "sizes", "key")
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    digests: _containers.RepeatedScalarFieldContainer[bytes]
    sizes: _containers.RepeatedScalarFieldContainer[int]
    key: bytes
    def __init__(self, digests: _Optional[_Iterable[bytes]] = ..., sizes: _Optional[_Iterable[int]] = ..., key: _Optional[bytes] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class KeyInfo(_message.Message):
    __slots__ = ("version", "fingerprint", "active")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    version: int
    fingerprint: str
    active: bool
    def __init__(self, version: _Optional[int] = ..., fingerprint: _Optional[str] = ..., active: _Optional[bool] = ...) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ("version", "keys", "values_sealed", "values_opened", "calls")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    VALUES_SEALED_FIELD_NUMBER: _ClassVar[int]
    VALUES_OPENED_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    version: str
    keys: _containers.RepeatedCompositeFieldContainer[KeyInfo]
    values_sealed: int
    values_opened: int
    calls: int
    def __init__(self, version: _Optional[str] = ..., keys: _Optional[_Iterable[_Union[KeyInfo, _Mapping]]] = ..., values_sealed: _Optional[int] = ..., values_opened: _Optional[int] = ..., calls: _Optional[int] = ...) -> None: ...
