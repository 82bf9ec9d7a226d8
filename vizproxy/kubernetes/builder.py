"""KubeSpawner's settings, made of an admin's choices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vizproxy.kubernetes import dialog, sidecar
from vizproxy.kubernetes.reading import checked

if TYPE_CHECKING:
    from vizproxy.kubernetes.choices import Choices


def kubespawner(choices: Choices) -> dict[str, Any]:
    """The settings of KubeSpawner (version 7) that put the desktop beside the notebook, by their names.

    Settings that KubeSpawner takes as a list or as a dictionary are dictionaries here, so that
    :func:`vizproxy.kubernetes.merge.merge` can join a site's own. Where there is nothing to choose,
    there is no profile, and so no dialog.

    Raises:
        ConfigError: the choices contradict themselves.
    """
    choices = checked(choices)
    container = sidecar.container(choices)
    made: dict[str, Any] = {
        dialog.place(choices): {sidecar.NAME: container},
        "volumes": sidecar.volumes(),
        "volume_mounts": sidecar.notebook_mounts(),
        "environment": {"VIZPROXY_SOCKET": sidecar.SOCKET} | choices.notebook.environment,
        **_user(choices),
    }
    if choices.notebook.restricted:
        made["container_security_context"] = {
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        made["allow_privilege_escalation"] = False
    if choices.metrics.port is not None and choices.metrics.annotations:
        made["extra_annotations"] = {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": str(choices.metrics.port),
            "prometheus.io/path": "/metrics",
        }
    profile = dialog.profile(choices)
    made["profile_list"] = [profile] if profile["profile_options"] else []
    return made


def _user(choices: Choices) -> dict[str, int | None]:
    """Whom the notebook's container starts as; what is not restricted is the site's to say."""
    if not choices.notebook.restricted:
        return {}
    user = sidecar.user(choices)
    # None takes away the one that the chart has by default.
    made: dict[str, int | None] = {"uid": user.get("runAsUser")}
    return made | ({"gid": user["runAsGroup"]} if "runAsGroup" in user else {})
