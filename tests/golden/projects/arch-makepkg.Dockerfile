FROM archlinux:base-devel
RUN pacman -Syu --noconfirm && pacman -S --noconfirm git namcap && pacman -Scc --noconfirm
RUN useradd -m build && echo 'build ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/build
USER build
WORKDIR /home/build
COPY PKGBUILD .
RUN makepkg -s --noconfirm
