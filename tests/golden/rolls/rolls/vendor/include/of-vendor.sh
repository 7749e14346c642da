echo 'of vendor alone'
