# The units of ../../units, which are written for /usr, with the paths of the package in them.
{ goldrecord, runCommand }:
runCommand "goldrecord-units-${goldrecord.version}" { } ''
  mkdir -p $out/lib/systemd/system
  for unit in ${../../units}/*.service ${../../units}/*.timer ${../../units}/*.target; do
    sed -e 's,/usr/bin/,${goldrecord}/bin/,g' \
      -e 's,/usr/lib/goldrecord/,${goldrecord}/lib/goldrecord/,g' \
      -e 's,/usr/share/goldrecord/,${goldrecord}/share/goldrecord/,g' \
      "$unit" > "$out/lib/systemd/system/$(basename "$unit")"
  done
''
