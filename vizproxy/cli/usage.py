"""What ``vizproxy --help`` and the help of its commands say."""

from __future__ import annotations

from typing import Final

OVERVIEW: Final = """\
vizproxy gives a browser a live X11 desktop, drawn on the GPU where there is one.

  vizproxy serve                 start the desktop and serve it
  vizproxy status                see how it does
  vizproxy ping [--ready]        ask whether it answers, for probes of containers
  vizproxy top                   watch its programs, framebuffer and viewers
  vizproxy doctor                find out what is wrong, and what to do about it
  vizproxy url                   print the link that opens it in a browser
  vizproxy run COMMAND           run a program on it
  vizproxy apps [stop ID]        list its programs, or end one
  eval "$(vizproxy env)"         let this shell's programs appear on it
  vizproxy screenshot FILE.png   take a picture of it
  vizproxy config check|show     check or print the configuration
  vizproxy config xorg           print what the X servers would be configured by
  vizproxy kubernetes render     print the configuration for a JupyterHub on Kubernetes

`vizproxy COMMAND --help` explains a command. Every setting can stand in a TOML file, in the
environment as VIZPROXY_SECTION_KEY, or, where a command has one, in a flag; the last of these wins.

Commands about a desktop that runs find it by --http-socket or --runtime-dir, VIZPROXY_SOCKET, or
the settings. Where none of these says anything, it is the one at the usual place, else a sidecar's
in /run/vizproxy, else the one that a Jupyter server of yours has started.
"""

SERVE: Final = """\
Start the X server, the window manager, the VNC server and the WebSocket bridge, keep them running,
and serve the desktop's page. Ends with Ctrl-C or SIGTERM and leaves nothing behind.

Without --http it listens on a unix socket alone, for a proxy such as jupyter-server-proxy. With it,
a link is printed that opens the desktop in a browser; the link is the key, so keep it to yourself.
"""

RUN: Final = """\
Run a program on the desktop, with a lease on its framebuffer. The program takes the place of this
command, as with `env` or `nice`: terminal, signals and exit code are its own.
"""

RUN_EXAMPLES: Final = """\
examples:
  vizproxy run glxgears
  vizproxy run --name brain --framebuffer 2GiB -- voreen --logLevel info scan.vws
  vizproxy run --detach --plan software paraview

Exit codes are the program's own, but: 69 no desktop answers, or VirtualGL is missing; 75 there is no
room; 126 the program cannot be executed; 127 there is none of that name.
"""

EXAMPLES: Final = """\
examples:
  vizproxy serve --http 127.0.0.1:6080
  vizproxy serve --size 1920x1080 --plan software --runtime-dir /run/vizproxy
"""

TOP: Final = """\
Watch the desktop: its children and programs with the CPU time and memory that they take, what is
used of the framebuffer, its viewers, and how fast it is drawn and delivered. q or Ctrl-C ends it.
"""

TOP_NOTES: Final = """\
Where standard output is no terminal, it prints one look, as with --once. That takes up to 6.5
seconds: what programs use is read every 5 seconds, and how much that is per second follows from two
readings. CPU is in percent of one core. What is not known, or not known yet, is shown as "-".
"""

DOCTOR: Final = """\
Examine this machine: GPU and driver, what the container was given, memory, limits, Jupyter, and the
desktop, if one runs. Each finding is green, yellow or red, and says what to do.
"""

DOCTOR_CODES: Final = """\
Exit codes: 0 all is green; 1 something is yellow: it works, but could be better; 2 something is red,
or the command was not understood. A recording that cannot be read or written has a code of its own.
"""

FORMATS: Final = ("kubespawner", "z2jh", "pod", "networkpolicy", "claims")

KUBERNETES: Final = """\
Print what a JupyterHub on Kubernetes needs in order to put a desktop beside each notebook.

  --format kubespawner     Python, for the end of jupyterhub_config.py
  --format z2jh            values for the chart zero-to-jupyterhub, with the same Python in them
  --format pod             the Pod of a user who has chosen as with --choose
  --format networkpolicy   who may connect to the Pods, for hubs without that chart
  --format claims          ResourceClaimTemplates, where GPUs are shared by claims

The file of choices says which images, amounts and GPUs the spawn dialog offers. Without one there
is a desktop in software beside each notebook, and nothing to choose.
"""

KUBERNETES_EXAMPLES: Final = """\
an example of a file of choices:
  [sidecar]
  image = "registry.example.org/vizproxy-sidecar:1"
  [[cpu]]
  limit = "4"
  [[memory]]
  limit = "16Gi"
  [[gpu.type]]
  name = "a40-8q"
  title = "NVIDIA A40-8Q: a vGPU with 8 GiB"
  labels = { "nvidia.com/gpu.product" = "NVIDIA-A40-8Q" }

  vizproxy kubernetes render --format z2jh --choices choices.toml >desktop.yaml
  helm upgrade jhub jupyterhub/jupyterhub --values config.yaml --values desktop.yaml
"""
